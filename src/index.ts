/// <reference types="node" preserve="true" />
/**
 * The library: what programs import from `cellrun`. What a user can cause is thrown as a
 * `UserError`, whose `diagnostics` say what is wrong and where.
 */
export type { DatasetConfig, Experiment } from './config/index.js';
export type { Tensor } from './experiment/checkpoints/safetensors.js';
export type { ClassEvaluation, SplitEvaluation, ValueEvaluation } from './experiment/evaluation.js';
export type { LogEvent, SummaryFile } from './experiment/files/files.js';
export type { Baseline } from './experiment/judging/baseline.js';
export type { EventName, RunStatus, Verdict } from './experiment/log/events.js';
export type { Manifest } from './experiment/manifest.js';
export type { Notes } from './experiment/notes.js';
export type { GateResult, Summary } from './experiment/summary.js';
export type { Config, ConfigObject, Overrides } from './library/config.js';
export { type LoadedRun, loadRun, type RunCheckpoint } from './library/load-run.js';
export {
  type EvaluateOptions,
  type EvaluationResult,
  evaluate,
  type PredictionSource,
  type PredictOptions,
  predict,
} from './library/predict.js';
export {
  type SweepObject,
  type SweepOptions,
  type SweepParameter,
  type SweepProgress,
  type SweepResult,
  sweep,
} from './library/sweep.js';
export {
  type ResumeOptions,
  type RunOptions,
  type RunProgress,
  type RunResult,
  resume,
  run,
} from './library/train.js';
export { type ValidateOptions, type Validation, validate } from './library/validate.js';
export type {
  Answer,
  AnswerForm,
  ClassAnswer,
  RankedClass,
  SequencePrediction,
  ValueAnswer,
} from './prediction/answers.js';
export type { GenerateOptions } from './prediction/generate.js';
export type { RejectionOptions, SequenceValues, StepValues } from './prediction/given-values.js';
export { type LoadModelOptions, loadModel, type Model } from './prediction/model.js';
export type { Session } from './prediction/session.js';
export type { Comparison } from './review/comparison/document.js';
export type { ReviewFile } from './review/review.js';
export type { JournalRecord } from './sweep/records.js';
export type { SweepSummary } from './sweep/results/index.js';
export { type Diagnostic, type ExitCode, UserError } from './util/errors.js';
