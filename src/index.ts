/// <reference types="node" preserve="true" />
/** The public catalogue: what a program that uses cellrun as a library can rely on. */
export {
  type DatasetConfig,
  type Experiment,
  type LoadedExperiment,
  loadExperiment,
} from './config/index.js';
export {
  readSafetensors,
  type Tensor,
  type TensorFile,
  writeSafetensors,
} from './experiment/checkpoints/safetensors.js';
export type { ClassEvaluation, SplitEvaluation, ValueEvaluation } from './experiment/evaluation.js';
export type { LogEvent, SummaryFile } from './experiment/files/files.js';
export type { Baseline } from './experiment/judging/baseline.js';
export type { EventName, RunStatus, Verdict } from './experiment/log/events.js';
export type { Manifest } from './experiment/manifest.js';
export type { Notes } from './experiment/notes.js';
export type { GateResult, Summary } from './experiment/summary.js';
export type {
  Answer,
  AnswerForm,
  ClassAnswer,
  RankedClass,
  SequencePrediction,
  ValueAnswer,
} from './prediction/answers.js';
export { topClasses } from './prediction/answers.js';
export type { GenerateOptions } from './prediction/generate.js';
export type { RejectionOptions, SequenceValues, StepValues } from './prediction/given-values.js';
export { type LoadModelOptions, loadModel, type Model } from './prediction/model.js';
export type { Session } from './prediction/session.js';
export type { Comparison } from './review/comparison/document.js';
export type { ReviewFile } from './review/review.js';
export type { JournalRecord } from './sweep/records.js';
export type { SweepSummary } from './sweep/results/index.js';
export { type Diagnostic, EXIT, type ExitCode, UserError } from './util/errors.js';
