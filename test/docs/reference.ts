/** Parts of the reference that are written from schemas, definitions and the command line. */
import { losses, lossKind } from '../../src/math/losses/index.js';
import { largerIsBetter, metrics, metricsOfTask, type Task } from '../../src/math/metrics/index.js';
import type { MetricKind } from '../../src/math/metrics/metric.js';
import { optimizers } from '../../src/math/optimizers/index.js';
import { schedules } from '../../src/math/schedules/index.js';
import { taskFacts } from '../../src/tasks/facts.js';
import { commandLine } from './command-tables.js';
import { anchorOf, cell, code, SchemaTables, sentence, table } from './schema-tables.js';

/** A schema and the file that it describes. */
type Described = readonly [schema: string, file: string];

const RUN_FILES: readonly Described[] = [
  ['summary', '`summary.json`'],
  ['manifest', '`manifest.json`'],
  ['evaluation', '`evaluation.json`'],
  ['explanation', '`explanation.json`'],
  ['confidence', '`confidence.json`'],
  ['checkpoints', '`checkpoints/index.json`'],
  ['notes', '`notes.json`'],
];

const SWEEP_FILES: readonly Described[] = [
  ['sweep-summary', '`summary.json`'],
  ['sweep-plan', '`plan.json`'],
  ['out-of-fold', '`out_of_fold.json`'],
  ['journal', '`journal.jsonl`'],
  ['queue-job', 'Task in a queue'],
];

const REVIEW_FILES: readonly Described[] = [
  ['baseline', 'Baseline'],
  ['review', 'Output of `review --json`'],
  ['comparison', 'Output of `compare --json`'],
];

const COMMON_FIELDS = ['level', 'time', 'v', 'seq'];

export function referenceTexts(): Readonly<Record<string, string>> {
  return {
    config: new SchemaTables('experiment', true).whole('Top level', 2),
    sweepFile: new SchemaTables('sweep', true).whole('Top level', 2),
    commandLine: commandLine(),
    eventFields: new SchemaTables('log-event', false).commonFields(COMMON_FIELDS),
    events: new SchemaTables('log-event', false).branches(2, COMMON_FIELDS),
    schemas: schemaTable(),
    runFiles: RUN_FILES.map(fileSection).join('\n\n'),
    sweepFiles: SWEEP_FILES.map(fileSection).join('\n\n'),
    reviewFiles: REVIEW_FILES.map(fileSection).join('\n\n'),
    classMetrics: metricTable('classes'),
    labelMetrics: metricTable('labels'),
    valueMetrics: metricTable('values'),
    sequenceMetrics: metricTable('sequences'),
    losses: lossTable(),
    optimizers: table(
      ['`optimizer.kind`', 'Same as'],
      Object.entries(optimizers).map(([kind, { reference }]) => [code(kind), reference]),
    ),
    schedules: scheduleTable(),
  };
}

function schemaTable(): string {
  const rows = [
    ['a config', 'experiment', 'config.md'],
    ['`log.jsonl` of a run', 'log-event', 'events.md'],
    ...RUN_FILES.map(([schema, file]) => [`${file} of a run`, schema, `#${anchorOf(file)}`]),
    ['a sweep file', 'sweep', 'sweep-file.md'],
    ...SWEEP_FILES.map(([schema, file]) => [
      `${file} of a sweep`,
      schema,
      `sweep-files.md#${anchorOf(file)}`,
    ]),
    ...REVIEW_FILES.map(([schema, file]) => [file, schema, `review-files.md#${anchorOf(file)}`]),
    ['Requests to `serve --predict`', 'request', '../guide/elsewhere.md#an-http-service'],
  ];
  return table(
    ['File', 'Schema'],
    rows.map(([file, schema, link]) => [`[${file}](${link})`, code(schema)]),
  );
}

function fileSection([schema, heading]: Described): string {
  const tables = new SchemaTables(schema, false);
  return tables.isUnion
    ? `## ${heading}\n\n${tables.introduction}\n\n${tables.branches(3, [])}`
    : tables.whole(heading, 2, 3);
}

function metricTable(task: Task): string {
  const defaults = taskFacts[task].metrics;
  return table(
    ['Metric', 'Default', 'Better', 'Range', 'Formula'],
    metricsOfTask(task).map(name => {
      const { min, max, tasks }: MetricKind = metrics[name];
      const range = `${min === Number.NEGATIVE_INFINITY ? '-∞' : min} to ${max === Number.POSITIVE_INFINITY ? '∞' : max}`;
      return [
        code(name),
        defaults.includes(name) ? 'yes' : '–',
        largerIsBetter(name) ? 'larger' : 'smaller',
        range,
        cell(sentence(tasks[task]?.formula ?? '')),
      ];
    }),
  );
}

function lossTable(): string {
  return table(
    ['`loss.kind`', 'Formula', 'PyTorch'],
    Object.keys(losses).map(kind => {
      const { formula, pytorch } = lossKind({ kind: kind as keyof typeof losses });
      return [code(kind), cell(sentence(formula)), pytorch === undefined ? '–' : code(pytorch)];
    }),
  );
}

function scheduleTable(): string {
  return table(
    ['`kind`', 'Rate of update k', '`torch.optim.lr_scheduler`'],
    Object.entries(schedules).map(([kind, { formula, pytorch }]) => [
      code(kind),
      cell(sentence(formula)),
      pytorch,
    ]),
  );
}
