/// <reference types="node" preserve="true" />
/**
 * The library: what programs import from `cellrun`. What a user can cause is thrown as a
 * `UserError`, whose `diagnostics` say what is wrong and where.
 */
export type { DatasetConfig, Experiment } from './config/index.js';
export type { Comparison } from './judge/comparison/document.js';
export type { ReviewFile } from './judge/judging/document.js';
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
export type { GenerateOptions } from './predict/generate.js';
export { type LoadModelOptions, loadModel, type Model } from './predict/model.js';
export type {
  ClassPrediction,
  Prediction,
  PredictionForm,
  RankedClass,
  RankedSequence,
  SequencePrediction,
  SymbolsPrediction,
  ValuePrediction,
} from './predict/predictions.js';
export type { Session, SessionOptions } from './predict/session.js';
export type { RejectionOptions, Samples, SequenceValues, StepValues } from './predict/steps.js';
export type { Baseline } from './run/baseline.js';
export type { EventName, LogEvent, RunStatus, Verdict } from './run/events.js';
export { allowUnlocked } from './run/lock.js';
export type { Manifest } from './run/manifest.js';
export type { Notes } from './run/notes.js';
export type { Tensor } from './run/safetensors.js';
export type { GateResult, Summary, SummaryFile } from './run/summary.js';
export type { SweepSummary } from './sweep/results.js';
export type { JournalRecord } from './sweep/schedule/records.js';
export type { ClassEvaluation, SplitEvaluation, ValueEvaluation } from './tasks/facts.js';
export { type Diagnostic, type ExitCode, UserError } from './util/errors.js';
