/** `summary.json`: the results of a run. Also the output of `--json`. */

import { BASELINE_NAMES, type BaselineName } from '../tasks/core/facts.js';
import * as s from '../util/schema.js';
import { gateFields, runStatus } from './events.js';
import type { NonFinite } from './json.js';

/** Of one split. */
export type SplitMetrics = s.TypeOf<typeof s.measurements>;

/** One value per split; a run may have no validation split. */
export type BySplit<T> = { readonly train: T; readonly validation?: T; readonly test: T };

export const bySplit = (description: string) =>
  s.struct(description, {
    train: s.measurements,
    validation: s.optional(s.measurements),
    test: s.measurements,
  });

const trivial = s.optional(s.measurements);
const BASELINES = Object.fromEntries(BASELINE_NAMES.map(name => [name, trivial])) as Readonly<
  Record<BaselineName, typeof trivial>
>;
const baselines = s.struct(
  'Metrics of trivial predictions, fitted on the training split: majority (the class prior), previous (the class of the previous step), mean, median and quantiles (of each target); by_symbol (the most frequent class of a symbol), ngram (of order 3, of language models); for forecasts, last_value, drift, seasonal_naive and season_mean. Metrics that are not finite are left out. Absent in runs that did not complete.',
  {
    validation: s.optional(s.struct('On the validation split.', BASELINES)),
    test: s.struct('On the test split.', BASELINES),
  },
);

export type { SplitBaselines } from '../tasks/core/facts.js';

export const best = s.nullable(
  s.struct('The best value of the checkpoint metric; null if it was never finite.', {
    metric: s.text('Such as test.accuracy.'),
    value: s.number('Its value.'),
    step: s.count('The step where it was measured.'),
    epoch: s.count('The epoch in which it was measured.'),
  }),
);

const digests = s.struct('Digests of the files that the run wrote, to detect damaged or replaced files.', {
  log: s.nullable(
    s.struct(
      "Digest of the log's lines before `run.end`: the output of `head -n RECORDS log.jsonl | sha256sum`. null if no log was opened.",
      { records: s.count('Number of lines in the digest.'), sha256: s.sha256('SHA-256, hex.') },
    ),
  ),
  files: s.mapOf(
    s.sha256('SHA-256, hex.'),
    'SHA-256 (hex) of manifest.json, evaluation.json, confidence.json, the checkpoints and their index, by name.',
  ),
});

export const summary = s.document(
  'Run summary',
  'summary.json of a run: its results. Also the output of `run --json`.',
  {
    version: s.literal(1, 'Version of this format.'),
    run_id: s.text('Name of the run directory.'),
    name: s.text('Name of the experiment.'),
    description: s.optional(s.text("The config's description.")),
    status: runStatus,
    exit_code: s.integer({ description: "The program's exit code.", min: 0, max: 255 }),
    message: s.optional(s.text('What went wrong, if anything.')),
    directory: s.text('The run directory, absolute or relative to the working directory of the command.'),
    config_hash: s.sha256('SHA-256 of the resolved config.'),
    backend: s.nullable(s.text('The backend; null if the run ended before one was chosen.')),
    executor: s.nullable(s.text('What executed the kernels.')),
    seed: s.integer("The experiment's seed."),
    steps: s.count('Completed optimizer steps, including skipped ones.'),
    epochs: s.count('Completed epochs.'),
    skipped_batches: s.count(
      'Steps without an update because their loss, gradient or update was not finite. They count in steps.',
    ),
    evaluated: s.boolean(
      'Whether the model was evaluated after the last step. If not, metrics are those of an earlier epoch, if any.',
    ),
    metrics: bySplit(
      'Final values by split, measured with the restored weights if any were restored. If there is a validation split, the test split is measured only at the end.',
    ),
    baselines: s.optional(baselines),
    constant_outputs: s.optional(
      s.literal(
        true,
        'Present if the model makes the same prediction for every test input although the targets differ (`constant` in evaluation.json).',
      ),
    ),
    restored: s.optional(
      s.struct(
        'The checkpoint whose weights the run restored at the end; absent if it kept the weights of its last step.',
        { step: s.count('Its step.'), epoch: s.count('The epoch in progress, or the one that ended there.') },
      ),
    ),
    selected_on_test: s.optional(
      s.list(s.text({}), {
        description:
          'What was selected by a metric of the test split, which makes its test values optimistic; each item is the subject of a sentence. Absent if nothing was.',
        minItems: 1,
      }),
    ),
    stopped_early: s.optional(
      s.struct('Why training ended before its last step; absent if it did not.', {
        metric: s.text('The metric that no longer improved.'),
        patience: s.count('Evaluations in a row that did not improve.', 1),
        best: s.nullable(s.number('The best value; null if none was finite.')),
      }),
    ),
    best,
    gates: s.list(
      s.struct('A gate with its verdict.', gateFields),
      'Every gate of the config with its verdict.',
    ),
    duration_s: s.amount(
      'Seconds from start to end over all processes of the run, without the time between them. A killed process counts as far as its log covers it.',
    ),
    train_s: s.amount(
      'Seconds of training in those processes. A killed process counts as far as its log covers it.',
    ),
    eval_s: s.amount('Seconds of evaluation in those processes.'),
    ms_per_step: s.nullable(
      s.amount(
        'Median training step in milliseconds, of the last process that made a step and ended normally; null if there was none.',
      ),
    ),
    calibration_ms: s.nullable(
      s.amount(
        'Median time of the calibration kernel in milliseconds, measured throughout the training in the process of ms_per_step: the product of float32 matrices [100, 256] x [256, 512] through the same engine, copies included, on as many threads as training uses (the slowest counts). A measurement is the mean of six products (of one on the backend cpu). null if nothing was measured.',
      ),
    ),
    step_ratio: s.nullable(
      s.amount(
        'ms_per_step / calibration_ms: a training step in units of the calibration kernel, comparable across machines. null if either is.',
      ),
    ),
    parameters: s.count('Number of trainable parameters.'),
    peak_rss_mb: s.amount('Peak resident memory, MiB: the largest of the processes that ended normally.'),
    checkpoints: s.struct('Checkpoint files.', {
      last: s.nullable(
        s.text('The newest checkpoint, relative to the run directory; null if there is none.'),
      ),
      best: s.nullable(
        s.text(
          'The checkpoint with the best `checkpoint.metric`, relative to the run directory; null if there is none.',
        ),
      ),
    }),
    digests,
  },
);

export type Summary = s.TypeOf<typeof summary>;
export type SavedCheckpoints = Pick<Summary, 'best' | 'checkpoints'>;
/** A gate of a config with its verdict. */
export type GateResult = Summary['gates'][number];

/** `summary.json` as read: numbers that are not finite are null, with their names beside them. */
export type SummaryFile = Omit<Summary, 'metrics'> & {
  readonly metrics: BySplit<Readonly<Record<string, number | null | NonFinite>>>;
};
