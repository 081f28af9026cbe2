/**
 * The events of `log.jsonl` (`schemas/log-event.schema.json`), as passed to the logger, which adds
 * `level`, `time`, `v` and `seq`. Fields are flat, names are snake_case, durations are seconds.
 */

import { kindOf, MEASURED, type MeasuredMetric, TRAINED } from '../math/metrics/index.js';
import {
  boolean,
  choice,
  count,
  integer,
  type JsonSchema,
  literal,
  measured,
  named,
  nullable,
  number,
  optional,
  perhapsMeasured,
  type Shape,
  type Spelled,
  type Struct,
  sha256,
  struct,
  type TypeOf,
  text,
  union,
  when,
} from '../util/schema.js';

export const EVENT_VERSION = 1;

const head = {
  level: named('level', choice(['info', 'warn', 'error'], 'Severity of the event.')),
  time: named(
    'time',
    text({
      description: 'When it was written: ISO 8601, UTC, milliseconds.',
      pattern: '^\\d{4}-\\d{2}-\\d{2}T\\d{2}:\\d{2}:\\d{2}\\.\\d{3}Z$',
    }),
  ),
  v: named('v', literal(EVENT_VERSION, 'Version of this format.')),
  seq: named('seq', count('Line number from 0, without gaps.')),
};

export const STATUSES = ['completed', 'interrupted', 'diverged', 'failed'] as const;
/** How a run ended; also `status` in summary.json. */
export const runStatus = named('status', choice(STATUSES, 'How the run ended.'));

export const verdict = named(
  'verdict',
  choice(
    ['passed', 'failed', 'inconclusive'],
    'inconclusive: the metric was not measured or is not finite, or a single run cannot decide.',
  ),
);

/** A gate of a config with its verdict. */
export const gateFields = {
  metric: text('The metric judged.'),
  over: choice(
    ['last', 'best', 'seeds'],
    'Which value is judged: the last, the best of all evaluations, or the mean over seeds, which only `review` can judge.',
  ),
  value: perhapsMeasured('Its value; null if it was not measured, is not finite, or needs several runs.'),
  min: optional(number('Smallest value that passes.')),
  max: optional(number('Largest value that passes.')),
  baseline: optional(text('Baseline file that the metric is compared with.')),
  max_drop: optional(number("How much worse than the baseline's mean the metric may be.")),
  max_regress: optional(
    number("How much worse than the baseline's mean the metric may be, as a fraction of it."),
  ),
  beats: optional(
    literal('trivial', 'What the metric must beat: trivial, the best trivial baseline on the same split.'),
  ),
  by: optional(number('Minimum margin over the trivial baseline.')),
  reference: optional(number("The baseline's mean, or the value of the trivial baseline.")),
  limit: optional(
    number('The worst value that passes, by the baseline; with beats and no by, the best value that fails.'),
  ),
  verdict,
  reason: optional(text('Why the verdict is inconclusive.')),
  origin: text('Where the gate is defined: FILE:LINE:COL, or the command-line option.'),
};

/** A number that is not negative. */
export const amount = (description: string) => number({ description, min: 0 });
const duration_s = amount('Seconds taken.');
const version = text('Version of cellrun.');
const place = {
  epoch: count('The epoch, from 1; 0 before training.'),
  step: count('Completed optimizer steps, including this one.'),
};

function metricFields<M extends MeasuredMetric>(names: readonly M[]) {
  const fields = names.map(name => {
    const { description, min, max } = kindOf(name);
    const limits = { ...(Number.isFinite(min) && { min }), ...(Number.isFinite(max) && { max }) };
    return [name, optional(measured({ description, ...limits }))] as const;
  });
  return Object.fromEntries(fields) as { readonly [Name in M]: (typeof fields)[number][1] };
}

const evaluation = {
  split: choice(['train', 'validation', 'test'], 'Which split.'),
  ...place,
  loss: measured('Mean loss.'),
  ...metricFields(MEASURED),
  samples: count('Sequences evaluated.'),
  restored_step: optional(
    count('Step of the checkpoint whose weights were restored before this evaluation; absent if none were.'),
  ),
  duration_s,
};

const batchLoss = measured("Mean loss of the step's batch.");
const gradientNorm = measured('L2 norm over all gradients, before clipping.');

const EVENTS = {
  'run.start': {
    description: 'A run directory has been created.',
    fields: {
      run_id: text('Name of the run directory.'),
      name: text('Name of the experiment.'),
      seed: integer("The experiment's seed."),
      config_hash: sha256('SHA-256 of the resolved config.'),
      version,
    },
  },
  'run.resume': {
    description:
      'Another process resumed the run. The following lines replace those logged after the checkpoint of this step.',
    fields: {
      run_id: text('Name of the run directory.'),
      step: count(
        'Completed optimizer steps in the checkpoint that the run resumes from; 0 if there was none.',
      ),
      config_hash: text('SHA-256 of the current resolved config, hex.'),
      version,
      replaced_records: count(
        'Lines after that checkpoint, including an incomplete one, that were removed from this log.',
      ),
      replaced_file: nullable(text('File beside this log that contains them; null if there were none.')),
      changes: nullable(
        text(
          'Changes since the last process, such as `training.num_epochs: 2 -> 4`, separated by semicolons; null if nothing changed.',
        ),
      ),
      duration_s: amount(
        'Seconds that earlier processes worked on the run, as far as known. The same applies to the fields below.',
      ),
      train_s: amount('Seconds of training.'),
      eval_s: amount('Seconds of evaluation.'),
      ms_per_step: nullable(amount('Median training step in milliseconds; null if unknown.')),
      calibration_ms: optional(
        nullable(
          amount('Median of the calibration kernel in milliseconds, as in summary.json; null if unknown.'),
        ),
      ),
      peak_rss_mb: amount('Peak resident memory, MiB; 0 if unknown.'),
    },
  },
  'data.ready': {
    description: 'The dataset has been read and checked.',
    fields: {
      train_count: count('Training sequences.'),
      validation_count: optional(count('Validation sequences; absent if there is no validation split.', 1)),
      test_count: count('Test sequences.'),
      input_size: count('Features per step.'),
      sequence_length: count('Steps of the longest sequence.'),
      num_classes: nullable(count('Number of classes; null if the targets are values.', 1)),
      duration_s,
    },
  },
  'graph.compiled': {
    description: 'The training graph has been planned for a backend.',
    fields: {
      backend: text('The chosen backend.'),
      backend_reason: text('Why it was chosen.'),
      executor: text('What executes the kernels.'),
      parameters: count('Number of trainable parameters.'),
      nodes: count('Nodes of the training graph.'),
      kernels_per_step: count('Kernel calls of one training step.'),
      flops_per_step: amount('Floating-point operations of one training step.'),
      bytes: amount("Bytes of the plan's buffers."),
      duration_s,
    },
  },
  'train.step': {
    description: 'One optimizer step, each log_every steps.',
    fields: {
      ...place,
      loss: batchLoss,
      learning_rate: measured('The learning rate of this step.'),
      grad_norm: gradientNorm,
      samples_per_s: optional(
        measured(
          'Sequences per second since the last such event. The first step of each process, which compiles, does not count; absent if there was no other step.',
        ),
      ),
    },
  },
  'train.epoch': {
    description: 'An epoch has ended.',
    fields: {
      ...place,
      loss: measured(
        "Mean loss over the epoch's samples; null with loss_nonfinite nan if every batch was skipped.",
      ),
      ...metricFields(TRAINED),
      samples: count('Sequences trained on in this epoch, without those of skipped batches.'),
      duration_s: amount('Seconds of training in this epoch.'),
    },
  },
  eval: { description: 'A split has been evaluated.', fields: evaluation },
  'eval.trained': {
    description:
      'A split has been evaluated with the trained weights, in a run whose evaluations use their average (training.average).',
    fields: evaluation,
  },
  'checkpoint.saved': {
    description: 'A checkpoint has been written completely.',
    fields: {
      ...place,
      path: text('File relative to the run directory, with forward slashes.'),
      bytes: count('Size of the file.'),
      metric: text('Metric that determines the best checkpoint.'),
      value: perhapsMeasured('Its value; null if not measured or not finite.'),
      best: boolean('Whether this is the best checkpoint so far.'),
      temporary: boolean(
        'Whether the checkpoint exists only to resume from and is replaced by the next one, such as the one that a stopped run leaves.',
      ),
      duration_s,
    },
  },
  early_stop: {
    description: 'Training stops because a metric no longer improves.',
    fields: {
      ...place,
      metric: text('The watched metric.'),
      value: measured('Its last value.'),
      best: measured('Its best value.'),
      patience: count('Evaluations in a row that did not improve.'),
    },
  },
  warning: {
    description: 'A problem that did not stop the run.',
    fields: {
      code: text('Stable identifier, such as `backend/slow`.'),
      message: text('One sentence.'),
      step: optional(count('The step concerned, if any. The same applies to the fields below.')),
      epoch: optional(count('The epoch, from 1.')),
      loss: optional(batchLoss),
      grad_norm: optional(gradientNorm),
    },
  },
  gate: { description: 'A gate has been judged.', fields: gateFields },
  'run.end': {
    description: 'The run has ended. The last line.',
    fields: {
      status: runStatus,
      exit_code: integer({ description: "The program's exit code.", min: 0, max: 255 }),
      epochs: count('Completed epochs.'),
      steps: count('Completed optimizer steps, including skipped ones.'),
      duration_s: amount('Seconds from start to end.'),
      ms_per_step: optional(
        nullable(
          amount('Median training step in milliseconds, as in summary.json; null if there was no step.'),
        ),
      ),
      calibration_ms: optional(
        nullable(
          amount(
            'Median of the calibration kernel in milliseconds, as in summary.json; null if nothing was measured.',
          ),
        ),
      ),
      step_ratio: optional(nullable(amount('ms_per_step / calibration_ms; null if either is.'))),
      summary_sha256: optional(sha256('SHA-256 (hex) of summary.json; absent if it could not be written.')),
      message: optional(text('What went wrong, if anything.')),
    },
  },
};

type Events = typeof EVENTS;
export type EventName = keyof Events;

/** Fields of each event. Any number may be NaN or infinite; the logger spells those out. */
export type EventFields = { readonly [E in EventName]: Struct<Events[E]['fields']> };

/** One event, discriminated by `event`. */
export type RunEvent = { readonly [E in EventName]: { readonly event: E } & EventFields[E] }[EventName];

/** A line of `log.jsonl`, discriminated by `event`: numbers that JSON cannot represent are null. */
export type LogEvent = {
  readonly [E in EventName]: Struct<typeof head> & { readonly event: E } & Spelled<Events[E]['fields']>;
}[EventName];

export type RunStatus = TypeOf<typeof runStatus>;
export type Verdict = TypeOf<typeof verdict>;

/** A number that is null has its name beside it, and only then. */
function spelling(fields: Readonly<Record<string, Shape>>): JsonSchema {
  const always = Object.keys(fields).filter(key => fields[key].measured === 'always');
  const rules = always.map(key =>
    when(
      { required: [key], properties: { [key]: { type: 'null' } } },
      { required: [`${key}_nonfinite`] },
      { properties: { [`${key}_nonfinite`]: false } },
    ),
  );
  return rules.length === 0 ? {} : { allOf: rules };
}

export const logEvent = union(
  'event',
  Object.entries(EVENTS).map(([name, { description, fields }]) => {
    const all = { ...head, event: literal(name, {}), ...fields };
    return named(name.replace('.', '_'), struct(all, { description, rules: spelling(fields) }));
  }),
  {
    title: 'Log event',
    description:
      "One line of log.jsonl: UTF-8, one JSON object without spaces between tokens, one newline (0x0A). The keys come in this order: level, time, v, seq, event, then the event's own fields. A number that is not finite is written as null with a key <field>_nonfinite beside it, and the line's level is then at least warn. Lines are appended whole.",
  },
);
