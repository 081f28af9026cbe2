/**
 * The events of `log.jsonl` (`schemas/log-event.schema.json`), as passed to the logger, which adds
 * `level`, `time`, `v` and `seq`. Fields are flat, names are snake_case, durations are seconds.
 */

import { kindOf, MEASURED, type MeasuredMetric, TRAINED } from '../math/metrics/index.js';
import * as s from '../util/schema.js';

export const EVENT_VERSION = 1;

const head = {
  level: s.named('level', s.choice(['info', 'warn', 'error'], 'Severity of the event.')),
  time: s.text({
    name: 'time',
    description: 'When it was written: ISO 8601, UTC, milliseconds.',
    pattern: '^\\d{4}-\\d{2}-\\d{2}T\\d{2}:\\d{2}:\\d{2}\\.\\d{3}Z$',
  }),
  v: s.named('v', s.literal(EVENT_VERSION, 'Version of this format.')),
  seq: s.named('seq', s.count('Line number from 0, without gaps.')),
};

export const STATUSES = ['completed', 'interrupted', 'diverged', 'failed'] as const;
/** How a run ended; also `status` in summary.json. */
export const runStatus = s.named('status', s.choice(STATUSES, 'How the run ended.'));

export const verdict = s.choice(['passed', 'failed', 'inconclusive'], {
  name: 'verdict',
  description: 'inconclusive: the metric was not measured or is not finite, or a single run cannot decide.',
});

/** A gate of a config with its verdict. */
export const gateFields = {
  metric: s.text('The metric of the gate.'),
  over: s.choice(
    ['last', 'best', 'seeds', 'folds', 'interval'],
    'Which value is checked: the last, the best of all evaluations, or the mean over seeds, which `run --repeat`, `sweep --repeat-best` and `review` check.',
  ),
  value: s.perhapsMeasured('Its value; null if it was not measured, is not finite, or needs several runs.'),
  min: s.optional(s.number('Smallest value that passes.')),
  max: s.optional(s.number('Largest value that passes.')),
  baseline: s.optional(s.text('Baseline file that the metric is compared with.')),
  max_drop: s.optional(s.number("How much worse than the baseline's mean the metric may be.")),
  max_regress: s.optional(
    s.number("How much worse than the baseline's mean the metric may be, as a fraction of it."),
  ),
  beats: s.optional(
    s.literal('trivial', 'What the metric must beat: trivial, the best trivial baseline on the same split.'),
  ),
  by: s.optional(s.number('Minimum margin over the trivial baseline.')),
  reference: s.optional(s.number("The baseline's mean, or the value of the trivial baseline.")),
  limit: s.optional(
    s.number(
      'The worst value that passes, according to the baseline; with beats and without by, the best value that fails.',
    ),
  ),
  verdict,
  reason: s.optional(s.text('Why the verdict is inconclusive.')),
  origin: s.text('Where the gate is defined: FILE:LINE:COL, or the command-line option.'),
};

const duration_s = s.amount('Seconds taken.');
const version = s.text('Version of cellrun.');
const place = {
  epoch: s.count('The epoch, from 1; 0 before training.'),
  step: s.count('Completed optimizer steps, including this one.'),
};

function metricFields<M extends MeasuredMetric>(names: readonly M[]) {
  const fields = names.map(name => {
    const { description, min, max } = kindOf(name);
    const limits = { ...(Number.isFinite(min) && { min }), ...(Number.isFinite(max) && { max }) };
    return [name, s.optional(s.measured({ description, ...limits }))] as const;
  });
  return Object.fromEntries(fields) as { readonly [Name in M]: (typeof fields)[number][1] };
}

const evaluation = {
  split: s.choice(['train', 'validation', 'test'], 'Which split.'),
  ...place,
  loss: s.measured('Mean loss.'),
  ...metricFields(MEASURED),
  samples: s.count('Sequences evaluated.'),
  restored_step: s.optional(
    s.count(
      'Step of the checkpoint whose weights were restored before this evaluation; absent if none were.',
    ),
  ),
  duration_s,
};

const batchLoss = s.measured("Mean loss of the step's batch.");
const gradientNorm = s.measured('L2 norm over all gradients, before clipping.');

const event = <P extends Readonly<Record<string, s.Shape>>>(description: string, fields: P) => ({
  description,
  fields,
});

const EVENTS = {
  'run.start': event('A run directory has been created.', {
    run_id: s.text('Name of the run directory.'),
    name: s.text('Name of the experiment.'),
    seed: s.integer("The experiment's seed."),
    config_hash: s.sha256('SHA-256 of the resolved config.'),
    version,
  }),
  'run.resume': event(
    'Another process resumed the run. The following lines replace those logged after the checkpoint of this step.',
    {
      run_id: s.text('Name of the run directory.'),
      step: s.count(
        'Completed optimizer steps in the checkpoint that the run resumes from; 0 if there was none.',
      ),
      config_hash: s.text('SHA-256 of the current resolved config, hex.'),
      version,
      replaced_records: s.count(
        'Lines after that checkpoint, including an incomplete one, that were removed from this log.',
      ),
      replaced_file: s.nullable(s.text('File beside this log that contains them; null if there were none.')),
      changes: s.nullable(
        s.text(
          'Changes since the last process, such as `training.num_epochs: 2 -> 4`, separated by semicolons; null if nothing changed.',
        ),
      ),
      duration_s: s.amount(
        'Seconds that earlier processes worked on the run, as far as known. The same applies to the fields below.',
      ),
      train_s: s.amount('Seconds of training.'),
      eval_s: s.amount('Seconds of evaluation.'),
      ms_per_step: s.nullable(s.amount('Median training step in milliseconds; null if unknown.')),
      calibration_ms: s.optional(
        s.nullable(
          s.amount('Median of the calibration kernel in milliseconds, as in summary.json; null if unknown.'),
        ),
      ),
      peak_rss_mb: s.amount('Peak resident memory, MiB; 0 if unknown.'),
    },
  ),
  'data.ready': event('The dataset has been read and checked.', {
    train_count: s.count('Training sequences.'),
    validation_count: s.optional(s.count('Validation sequences; absent if there is no validation split.', 1)),
    test_count: s.count('Test sequences.'),
    input_size: s.count('Features per step.'),
    sequence_length: s.count('Steps of the longest sequence.'),
    num_classes: s.nullable(s.count('Number of classes; null if the targets are values.', 1)),
    duration_s,
  }),
  'weights.loaded': event(
    'The run starts from weights of `model.init_from`; manifest.json has more about them.',
    {
      name: s.text('Path of the file or the run.'),
      loaded: s.count('Number of parameters that were loaded, counted as arrays.'),
      random: s.text('Names of the parameters that start with random values, separated by commas.'),
      unused: s.text('Names of the tensors that were not used, separated by commas.'),
    },
  ),
  'graph.compiled': event('The training graph has been planned for a backend.', {
    backend: s.text('The chosen backend.'),
    backend_reason: s.text('Why it was chosen.'),
    executor: s.text('What executes the kernels.'),
    parameters: s.count('Number of trainable parameters.'),
    nodes: s.count('Nodes of the training graph.'),
    kernels_per_step: s.count('Kernel calls of one training step.'),
    flops_per_step: s.amount('Floating-point operations of one training step.'),
    bytes: s.amount("Bytes of the plan's buffers."),
    duration_s,
  }),
  'train.step': event('One optimizer step, each log_every steps.', {
    ...place,
    loss: batchLoss,
    learning_rate: s.measured('The learning rate of this step.'),
    grad_norm: gradientNorm,
    samples_per_s: s.optional(
      s.measured(
        'Sequences per second since the last such event. The first step of each process, which compiles, does not count; absent if there was no other step.',
      ),
    ),
  }),
  'train.epoch': event('An epoch has ended.', {
    ...place,
    loss: s.measured(
      "Mean loss over the epoch's samples; null with loss_nonfinite nan if every batch was skipped.",
    ),
    ...metricFields(TRAINED),
    samples: s.count('Sequences trained on in this epoch, without those of skipped batches.'),
    duration_s: s.amount('Seconds of training in this epoch.'),
  }),
  eval: event('A split has been evaluated.', evaluation),
  'eval.trained': event(
    'A split has been evaluated with the trained weights, in a run whose evaluations use their average (training.average).',
    evaluation,
  ),
  'checkpoint.saved': event('A checkpoint has been written completely.', {
    ...place,
    path: s.text('File relative to the run directory, with forward slashes.'),
    bytes: s.count('Size of the file.'),
    metric: s.text('Metric that determines the best checkpoint.'),
    value: s.perhapsMeasured('Its value; null if not measured or not finite.'),
    best: s.boolean('Whether this is the best checkpoint so far.'),
    temporary: s.boolean(
      'Whether the checkpoint was written only because the run was stopped; the next checkpoint replaces it.',
    ),
    duration_s,
  }),
  early_stop: event('Training stops because a metric no longer improves.', {
    ...place,
    metric: s.text('The watched metric.'),
    value: s.measured('Its last value.'),
    best: s.measured('Its best value.'),
    patience: s.count('Evaluations in a row that did not improve.'),
  }),
  warning: event('A problem that did not stop the run.', {
    code: s.text('Stable identifier, such as `backend/slow`.'),
    message: s.text('One sentence.'),
    step: s.optional(s.count('The step concerned, if any. The same applies to the fields below.')),
    epoch: s.optional(s.count('The epoch, from 1.')),
    loss: s.optional(batchLoss),
    grad_norm: s.optional(gradientNorm),
  }),
  gate: event('A gate has been checked.', gateFields),
  'run.end': event('The run has ended. The last line.', {
    status: runStatus,
    exit_code: s.integer({ description: "The program's exit code.", min: 0, max: 255 }),
    epochs: s.count('Completed epochs.'),
    steps: s.count('Completed optimizer steps, including skipped ones.'),
    duration_s: s.amount('Seconds from start to end.'),
    ms_per_step: s.optional(
      s.nullable(
        s.amount('Median training step in milliseconds, as in summary.json; null if there was no step.'),
      ),
    ),
    calibration_ms: s.optional(
      s.nullable(
        s.amount(
          'Median of the calibration kernel in milliseconds, as in summary.json; null if nothing was measured.',
        ),
      ),
    ),
    step_ratio: s.optional(s.nullable(s.amount('ms_per_step / calibration_ms; null if either is.'))),
    summary_sha256: s.optional(s.sha256('SHA-256 (hex) of summary.json; absent if it could not be written.')),
    message: s.optional(s.text('What went wrong, if anything.')),
  }),
};

type Events = typeof EVENTS;
export type EventName = keyof Events;

/** Fields of each event. Any number may be NaN or infinite; the logger spells those out. */
export type EventFields = { readonly [E in EventName]: s.Struct<Events[E]['fields']> };

export type RunEvent = { readonly [E in EventName]: { readonly event: E } & EventFields[E] }[EventName];

/** A line of `log.jsonl`, discriminated by `event`: numbers that JSON cannot represent are null. */
export type LogEvent = {
  readonly [E in EventName]: s.Struct<typeof head> & { readonly event: E } & s.Spelled<Events[E]['fields']>;
}[EventName];

export type RunStatus = s.TypeOf<typeof runStatus>;
export type Verdict = s.TypeOf<typeof verdict>;

/** A number that is null has its name beside it, and only then. */
function spelling(fields: Readonly<Record<string, s.Shape>>): s.JsonSchema {
  const always = Object.keys(fields).filter(key => fields[key].measured === 'always');
  const rules = always.map(key =>
    s.when(
      { required: [key], properties: { [key]: { type: 'null' } } },
      { required: [`${key}_nonfinite`] },
      { properties: { [`${key}_nonfinite`]: false } },
    ),
  );
  return rules.length === 0 ? {} : { allOf: rules };
}

export const logEvent = s.union(
  'event',
  Object.entries(EVENTS).map(([name, { description, fields }]) => {
    const all = { ...head, event: s.literal(name, {}), ...fields };
    return s.namedStruct(name.replace('.', '_'), { description, rules: spelling(fields) }, all);
  }),
  {
    title: 'Log event',
    description:
      "One line of log.jsonl: UTF-8, one JSON object without spaces between tokens, one newline (0x0A). The keys come in this order: level, time, v, seq, event, then the event's own fields. A number that is not finite is written as null with a key <field>_nonfinite beside it, and the line's level is then at least warn. Lines are appended whole.",
  },
);
