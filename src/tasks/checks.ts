/** The checks of the tasks. */
import type { Task } from '../math/metrics/metric.js';
import { classChecks } from './classes/checks.js';
import type { TaskChecks } from './core/checks.js';
import { labelChecks } from './labels/checks.js';
import { sequenceChecks } from './sequences/checks.js';
import { valueChecks } from './values/checks.js';

export const taskChecks: Readonly<Record<Task, TaskChecks>> = {
  classes: classChecks,
  labels: labelChecks,
  values: valueChecks,
  sequences: sequenceChecks,
};
