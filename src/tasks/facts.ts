/**
 * The tasks, what models predict, as far as they are known without data; `index.ts` trains and
 * evaluates them. To add one: a folder here, a line in each table, a test.
 */
import type { TargetKind } from '../data/core/targets.js';
import type { Task } from '../math/metrics/metric.js';
import * as s from '../util/schema.js';
import { type ClassEvaluation, classEvaluation, classes } from './classes/facts.js';
import type { Fit, TaskFacts } from './core/facts.js';
import { type LabelEvaluation, labelEvaluation, labels } from './labels/facts.js';
import { type SequenceEvaluation, sequenceEvaluation, sequences } from './sequences/facts.js';
import { type ValueEvaluation, valueEvaluation, values } from './values/facts.js';

export type { ClassEvaluation, LabelEvaluation, SequenceEvaluation, ValueEvaluation };

/** The most common task of each kind of target first. */
export const taskFacts: Readonly<Record<Task, TaskFacts>> = { classes, values, labels, sequences };

const TASKS = Object.keys(taskFacts) as Task[];

/** The most common task with such targets. */
export function usualTask(kind: TargetKind): TaskFacts {
  return TASKS.map(task => taskFacts[task]).find(({ target }) => target === kind) as TaskFacts;
}

/** The tasks on whose predictions `fit` is fitted. */
export function tasksWith(fit: Fit): readonly Task[] {
  return TASKS.filter(task => taskFacts[task].fits.includes(fit));
}

/** `evaluation.json`: details of the latest evaluation, at the end of a run of the test split. */
export const evaluation = s.union(
  'kind',
  [
    s.named('class_evaluation', classEvaluation),
    s.named('value_evaluation', valueEvaluation),
    s.named('label_evaluation', labelEvaluation),
    s.named('sequence_evaluation', sequenceEvaluation),
  ],
  {
    title: 'Test evaluation',
    description:
      'evaluation.json of a run: detailed metrics of the latest evaluation of the test split. Rewritten before each checkpoint that follows one, including the last; the same training produces the same bytes.',
  },
);

/**
 * The details behind summary.json's metrics. It has no run name or time, so that equal trainings
 * write byte-identical files.
 */
export type SplitEvaluation = ClassEvaluation | ValueEvaluation | LabelEvaluation | SequenceEvaluation;
