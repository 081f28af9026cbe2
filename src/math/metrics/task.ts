/** What models predict: one of several classes, several independent labels, or numbers. */
export type Task = 'classes' | 'labels' | 'values';

interface TaskFacts {
  /** Metrics of an evaluation besides the loss, unless a config lists others. */
  readonly metrics: readonly string[];
  /** The metric that chooses the best checkpoint, unless a config names another. */
  readonly selects: 'accuracy' | 'loss';
  readonly target: 'class' | 'value';
}

/** The most common task for each kind of target first. */
export const TASKS = {
  classes: { metrics: ['accuracy'], selects: 'accuracy', target: 'class' },
  values: { metrics: ['mean_absolute_error', 'rmse'], selects: 'loss', target: 'value' },
  labels: { metrics: ['accuracy', 'f1'], selects: 'loss', target: 'value' },
} as const satisfies Readonly<Record<Task, TaskFacts>>;
