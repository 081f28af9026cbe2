/** The verbs that run sweeps: `sweep WORDS…` and `sweep resume SWEEP`. */

import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { LoadedExperiment } from '../../config/index.js';
import { usableCores } from '../../engine/backend.js';
import type { BackendRequest } from '../../engine/backend-names.js';
import type { SweepModels } from '../../library/validate.js';
import { writeAtomic, writeJsonAtomic } from '../../run/files.js';
import { checkNotesChange } from '../../run/notes.js';
import { fromCommandLine, type LoadedSweep, loadSweep } from '../../sweep/config/load.js';
import { isSweepFile, type SweepFlags } from '../../sweep/config/read.js';
import { SweepDirectory } from '../../sweep/directory.js';
import { readJournal } from '../../sweep/journal.js';
import { localLauncher } from '../../sweep/launchers/local.js';
import { openBullmq, parseQueue } from '../../sweep/launchers/queue.js';
import { openSlurm } from '../../sweep/launchers/slurm.js';
import {
  isRepetition,
  parameterFields,
  readSweepResults,
  repeatedRuns,
  runsOfResult,
  type SweepResults,
  summaryOf,
  writeResults,
} from '../../sweep/results.js';
import { runSweep } from '../../sweep/run.js';
import { gridSize } from '../../sweep/search/grid.js';
import { blindTrials, createSampler, methodOf } from '../../sweep/search/index.js';
import type { Point } from '../../sweep/search/space.js';
import type { Launcher } from '../../sweep/segment.js';
import { troubleOf } from '../../sweep/trials.js';
import { missedSentence } from '../../tasks/core/confidence.js';
import { EXIT, type ExitCode, UserError, usageError } from '../../util/errors.js';
import { formatDuration } from '../../util/numbers.js';
import { formatTable, tableOf } from '../../util/table.js';
import { counted, printable } from '../../util/words.js';
import { resumeHint } from '../command/command-line.js';
import { onStopSignal } from '../command/signals.js';
import {
  backend,
  choice,
  defineVerb,
  experiments,
  flag,
  integer,
  json,
  list,
  notes,
  progress,
  refuseGiven,
  type Shell,
  sameBackend,
  text,
  type Values,
  width,
} from '../command/verb.js';
import { HintedError, printDiagnostics } from '../terminal/diagnostics.js';
import type { Io } from '../terminal/io.js';
import { widthOf } from '../terminal/text.js';
import { bestMetrics, bestTable, finalSentence, outOfFoldTable, remarks } from './compare-trials.js';
import { besideDashboard } from './serve.js';
import { createSweepView } from './sweep-view.js';
import { addNotes } from './tag.js';

const launcherOptions = {
  launcher: choice('<name>', ['local', 'slurm', 'bullmq'], 'how trials are started').default('local'),
  queue: text('<url>', 'queue for --launcher bullmq: redis://host:6379 (env: CELLRUN_QUEUE)'),
  sbatch: list('<option>', 'option for sbatch, such as --partition=long'),
};

type LauncherOptions = Values<typeof launcherOptions>;

const runnerOptions = {
  ...launcherOptions,
  threads: integer('<n>', 'compute threads of all trials together (default: all cores)', {
    min: 1,
    max: 1024,
  }),
  width,
  json: json('the summary'),
  ...progress,
};

export interface SweepRunOptions extends Values<typeof runnerOptions> {
  readonly backend: BackendRequest | undefined;
  readonly retryFailed?: boolean;
}

/**
 * The options with the queue from the environment, which only `--launcher bullmq` reads, since it
 * may be for workers.
 * @throws UserError (exit 2) if they cannot be combined, or if the address is invalid
 */
function checkedOptions<T extends LauncherOptions & { readonly width: unknown }>(given: T): T {
  const { launcher, sbatch, width } = given;
  const isQueue = launcher === 'bullmq';
  const queue = given.queue ?? (isQueue ? process.env.CELLRUN_QUEUE || undefined : undefined);
  const code = 'cli/launcher';
  const message = `cannot be used with --launcher ${launcher}`;
  if (launcher !== 'slurm') refuseGiven({ sbatch }, { code, message, expected: '--launcher slurm' });
  if (!isQueue) refuseGiven({ queue }, { code, message, expected: '--launcher bullmq' });
  else refuseGiven({ width }, { code, message: `${message}: each worker measures its own` });
  if (isQueue && queue === undefined)
    throw usageError(code, '--launcher bullmq requires --queue', { expected: '--queue redis://HOST:6379' });
  if (queue !== undefined) parseQueue(queue);
  return { ...given, queue };
}

/**
 * Runs the sweep in `directory`, shows its progress and prints the result.
 * @param watched the directory that a dashboard shows
 */
async function runToEnd(
  options: SweepRunOptions,
  directory: SweepDirectory,
  watched: string,
  { io }: Shell,
): Promise<ExitCode> {
  const { backend, width, quiet, retryFailed = false } = options;
  const hint = resumeHint('sweep resume', directory.path, repeatedFlags(options));
  let view: ReturnType<typeof createSweepView> | undefined;
  // messages must not move the table, which is redrawn in place
  const above = { err: (text: string) => (view === undefined ? io.err(text) : view.line(text.trimEnd())) };
  const stop = onStopSignal({ ...above, interactive: false }, () => hint);
  try {
    return await besideDashboard(options, watched, io, stop, async () => {
      view = createSweepView(io, directory.plan, quiet, readJournal(directory.files.journal).records);
      if (!quiet) io.err(`${printable(directory.path)}\n`);
      const result = await runSweep(directory, {
        ...{ backend, width, retryFailed },
        threads: options.threads ?? usableCores(),
        launcher: (directory, warn) => launcherOf(options, directory, warn),
        observer: view,
        signal: stop.signal,
      });
      view.end();
      if (result.end !== 'interrupted') await predictOutOfFold(directory, options, io);
      const results = print(directory, options, io);
      if (result.end === 'interrupted') io.err(hint);
      const judged = repeatedRuns(results);
      const isJudged = result.exitCode === EXIT.done && judged.length > 0;
      return isJudged ? judge(judged, options, io) : result.exitCode;
    });
  } catch (error) {
    view?.end();
    // resuming does not repair damage, and another process may be at work
    const cannotResume =
      error instanceof UserError &&
      (error.exitCode === EXIT.damaged || error.diagnostics.some(({ code }) => code === 'run/in-use'));
    throw cannotResume ? error : new HintedError(error, hint);
  }
}

/** Writes what the runs of the best trial predict for the folds that they did not see. */
async function predictOutOfFold(
  { path, files, plan }: SweepDirectory,
  { backend = 'auto', threads, quiet }: SweepRunOptions,
  io: Io,
): Promise<void> {
  if (plan.folds === undefined) return;
  const { predictFolds } = await import('../../predict/out-of-fold.js');
  const { jsonLine } = await import('../../predict/lines.js');
  const runs = runsOfResult(readSweepResults(path)).map((run, i) => ({ fold: i + 1, path: run }));
  if (runs.length === 0) return;
  if (!quiet) io.err('predicting each sequence with the run that did not see it\n');
  const lines: string[] = [];
  const { outOfFold, missed } = await predictFolds(runs, { backend, threads }, (fold, form, predictions) => {
    for (const prediction of predictions)
      lines.push(jsonLine(form, prediction).replace('{', `{"fold":${fold},`));
  });
  writeAtomic(files.predictions, lines);
  writeJsonAtomic(files.outOfFold, outOfFold);
  if (missed.length > 0) io.err(`warning: ${missedSentence(missed, outOfFold.thresholds)}\n`);
}

/** Prints the gates over seeds, and those of single runs that did not pass. */
async function judge(runs: readonly string[], { json }: SweepRunOptions, io: Io): Promise<ExitCode> {
  const { judgeSeeds } = await import('../../judge/judging/review.js');
  const { verdicts, exitCode } = judgeSeeds(runs);
  for (const { seed, gate, sentence } of verdicts) {
    if (seed !== null && gate.verdict === 'passed') continue;
    if (json) io.err(`${sentence}\n`);
    else io.out(`${sentence}\n`);
  }
  return exitCode;
}

function print(directory: SweepDirectory, { json, quiet }: SweepRunOptions, io: Io): SweepResults {
  const results = writeResults(directory);
  if (json) io.data(`${JSON.stringify(summaryOf(results))}\n`);
  else {
    const table = bestTable(results, 5);
    if (table.rows.length > 0 && !isRepetition(directory.plan))
      io.out(formatTable(table, 'text', widthOf(io)));
    io.out(bestMetrics(results, io));
    io.out(outOfFoldTable(results, io));
    io.out(finalSentence(results));
    io.out(remarks(results));
    if (quiet) io.out(`Sweep directory: ${printable(directory.path)}\n`);
    else {
      const { best, table, predictions } = directory.files;
      const written = [
        ...(results.best === undefined ? [] : [best]),
        table,
        ...(existsSync(predictions) ? [predictions] : []),
      ];
      io.out(`\n${written.map(file => `${printable(file)}\n`).join('')}`);
    }
  }
  const trouble = troubleOf(results.records);
  if (trouble !== undefined) io.err(`cellrun: ${printable(trouble.message)}\n`);
  return results;
}

/**
 * The flags to repeat when the sweep is resumed, without the queue's password, which would stay in
 * terminals and logs.
 */
export function repeatedFlags(options: Partial<SweepRunOptions>): readonly string[] {
  const { launcher, queue, sbatch = [], backend, threads, width } = options;
  const address = queue === undefined ? undefined : new URL(queue);
  if (address?.password) address.password = 'PASSWORD';
  const valued = {
    '--launcher': launcher === 'local' ? undefined : launcher,
    '--queue': address?.href,
    '--backend': backend === 'auto' ? undefined : backend,
    '--threads': threads,
    '--width': width,
  };
  const flags = Object.entries(valued).flatMap(([flag, value]) =>
    value === undefined ? [] : [flag, String(value)],
  );
  return [...flags, ...sbatch.map(option => `--sbatch=${option}`)];
}

function launcherOf(
  { launcher, queue = '', sbatch }: LauncherOptions,
  { path, outputRoot }: SweepDirectory,
  warn: (text: string) => void,
): Promise<Launcher> | Launcher {
  if (launcher === 'slurm') return openSlurm({ directory: path, sbatch });
  if (launcher === 'bullmq') return openBullmq({ queue, folder: outputRoot, warn });
  return localLauncher;
}

export const sweep = defineVerb({
  arguments: '<words...>',
  options: {
    set: list('<key.path=value>', 'override a value of the config in every trial'),
    objective: text('<metric:goal>', 'objective, such as test.accuracy:max'),
    method: text('<name>', 'search method: grid, random, sobol or tpe'),
    trials: text('<n>', 'maximum number of trials'),
    time: text('<duration>', 'start no trial after this time, such as 90s, 10m or 2h'),
    target: text('<value>', 'stop as soon as a trial reaches this value'),
    seeds: text('<list>', 'seeds to train each point with, separated by commas'),
    repeatBest: text('<n>', 'train the best trial with n more seeds, and report its metrics over them'),
    pruner: text('<name>', 'none, median, asha or hyperband; or a mapping'),
    parallel: text('<n>', 'number of trials at the same time (default: 1)'),
    backend,
    output: experiments,
    ...notes,
    dryRun: flag('list the points without training'),
    ...runnerOptions,
  },
  help: `
Pass a sweep file (see \`cellrun schema sweep\`), or configs and values for their keys:
  cellrun sweep configs/sweeps/mnist-lstm.yaml
  cellrun sweep configs/mnist-lstm.yaml optimizer.learning_rate=1e-3,1e-2 model.hidden_size=64,128
  cellrun sweep configs/variants --seeds 0,1,2
  cellrun sweep configs/mnist-lstm.yaml 'optimizer.learning_rate=log_uniform(1e-4,1e-1)' \\
    --method tpe --trials 30

One value for a key that cannot be varied overrides it in every trial: training.num_epochs=2.

Options override the sweep file. Without a sweep file, the method is grid and the objective is the
config's checkpoint.metric. All points are checked before the first trial starts. A trial has
--threads / --parallel threads. The best trial is the one with the best value among those that were
trained for the most epochs.

To resume a stopped or killed sweep, run \`cellrun sweep resume SWEEP\`: the result is the same.

Exit codes: 0 a trial has a value, 1 no trial has a value, a failed trial stopped the sweep or the
disk is full, 3 a gate of the best trial did not pass with its new seeds, 4 all trials diverged, 5 a
file has changed since trials were trained with it, 130 the sweep was stopped and can be resumed.`,
  async action([words], given, shell) {
    const options = checkedOptions(given);
    checkNotesChange({ add: given.tag, remove: [], note: given.note });
    return startSweep(load(words, { set: given.set, flags: given }), options, shell);
  },
});

export interface NewSweepOptions extends SweepRunOptions {
  readonly output: string;
  readonly tag: readonly string[];
  readonly note: string | undefined;
  readonly dryRun?: boolean;
  readonly parallel: string | undefined;
}

export async function startSweep(
  given: LoadedSweep,
  options: NewSweepOptions,
  shell: Shell,
): Promise<ExitCode> {
  const { output, tag, note, dryRun = false, json } = options;
  const { io } = shell;
  const { SweepModels } = await import('../../library/validate.js');
  const models = new SweepModels(given);
  const warnings = [...given.warnings, ...(await models.check())];
  const loaded = await models.withFolds();
  printDiagnostics(warnings, 'warning', io, '\n');
  if (dryRun) return listPoints(loaded, models, json, io);
  const directory = SweepDirectory.create(loaded, output);
  addNotes(directory.path, { add: tag, remove: [], note });
  return runToEnd(options, directory, output, shell);
}

function load(
  words: readonly string[],
  options: { readonly set: readonly string[]; readonly flags: SweepFlags },
): LoadedSweep {
  const assignments = words.filter(word => word.includes('='));
  const files = words.filter(word => !word.includes('=')).flatMap(configsIn);
  if (files.length === 0) {
    const expected = 'a sweep file; or configs, or a directory of them, and KEY=VALUE,VALUE…';
    throw usageError('cli/sweep', 'no config to sweep over', { expected });
  }
  const sweeps = files.filter(isSweepFile);
  if (files.length === 1 && sweeps.length === 1 && assignments.length === 0)
    return loadSweep(files[0], options);
  if (sweeps.length > 0) {
    const message = `${sweeps[0]} is a sweep file, which cannot be combined with configs or KEY=VALUE`;
    throw usageError('cli/sweep', message, { expected: 'the sweep file alone, or configs' });
  }
  return fromCommandLine(files, assignments, options);
}

const CONFIG = /\.(ya?ml|json)$/i;

/** The configs in a directory, sorted by name; or the file itself. */
function configsIn(path: string): readonly string[] {
  if (!statSync(path, { throwIfNoEntry: false })?.isDirectory()) return [path];
  const names = readdirSync(path).filter(name => CONFIG.test(name));
  return names.toSorted().map(name => join(path, name));
}

export const resume = defineVerb({
  arguments: '<sweep>',
  options: {
    backend: sameBackend('the sweep'),
    retryFailed: flag('retry failed trials from where they stopped'),
    ...runnerOptions,
  },
  async action([path], given, shell) {
    const options = checkedOptions(given);
    return runToEnd(options, SweepDirectory.open(path), path, shell);
  },
});

const LISTED = 20;

async function listPoints(
  { plan }: LoadedSweep,
  models: SweepModels,
  json: boolean,
  io: Io,
): Promise<ExitCode> {
  const points: { readonly point: Point; readonly parameters: number }[] = [];
  for (const point of chosenPoints(plan))
    points.push({ point, parameters: await models.parametersAt(point) });
  const trials = trialsOf(plan);
  if (json)
    io.data(`${JSON.stringify({ version: 1, name: plan.name, trials, seeds: plan.seeds, points })}\n`);
  else {
    const table = tableOf<(typeof points)[number]>(
      [
        { name: 'trial', of: (_, trial) => trial },
        ...parameterFields(plan),
        { name: 'parameters', show: value => value.toLocaleString('en'), of: ({ parameters }) => parameters },
      ],
      points,
    );
    io.out(formatTable(table, 'text', widthOf(io)));
    io.out(sentences(plan, points.length, trials));
  }
  return EXIT.done;
}

/**
 * The points of a grid, or the first points of another method, as far as they are chosen without
 * results.
 */
function chosenPoints(plan: LoadedSweep['plan']): readonly Point[] {
  const sampler = createSampler(plan.space, plan.method, plan.seed);
  const all = methodOf(plan.method).isExhaustive ? Number.POSITIVE_INFINITY : LISTED;
  const max = Math.min(plan.budget.trials ?? all, blindTrials(plan.method));
  const points: Point[] = [];
  while (points.length < max) {
    const point = sampler.suggest(points.length, [], points);
    if (point === undefined) break;
    points.push(point);
  }
  return points;
}

/** Maximum number of trials; null if only time or a target ends the sweep. */
function trialsOf({ budget, space }: LoadedSweep['plan']): number | null {
  const most = Math.min(...[gridSize(space), budget.trials].filter(limit => limit !== null));
  return Number.isFinite(most) ? most : null;
}

function sentences(
  { pruner, seeds, folds, repeat_best, parallel, epochs, budget }: LoadedSweep['plan'],
  listed: number,
  trials: number | null,
): string {
  const lines: string[] = [''];
  if (trials === null || trials > listed) {
    const outOf = trials === null ? '' : ` of ${trials}`;
    lines.push(`Only the first ${listed}${outOf} trials are listed: more depend on results or on the time.`);
  }
  if (trials !== null) {
    const seeded = seeds.length > 1 ? ` with ${seeds.length} seeds` : '';
    const each = `${counted(epochs, 'epoch')}${folds === undefined ? seeded : ` on ${counted(folds, 'fold')}`}`;
    const pruned = pruner.kind === 'none' ? '' : `, or less: ${pruner.kind} stops some early`;
    lines.push(`${counted(trials, 'trial')} of ${each}, ${parallel} at a time${pruned}.`);
  }
  if (repeat_best !== undefined)
    lines.push(`Then the best trial is trained with ${counted(repeat_best.length, 'new seed')}.`);
  if (budget.seconds !== null) lines.push(`No trial starts after ${formatDuration(budget.seconds)}.`);
  return lines.map(line => `${line}\n`).join('');
}

const SEED = /^\s*seed\s*=/;

/** `run` with `repeat` or `folds`: trains a config several times, as a sweep of a single point. */
export async function repeatRun(
  config: string,
  { experiment }: LoadedExperiment,
  options: Omit<NewSweepOptions, 'launcher' | 'queue' | 'sbatch'> & { readonly set: readonly string[] },
  shell: Shell,
): Promise<ExitCode> {
  // seeds from the config's own on
  const seeds = Array.from({ length: experiment.repeat ?? 1 }, (_, i) => experiment.seed + i);
  const loaded = fromCommandLine([config], [], {
    set: options.set.filter(assignment => !SEED.test(assignment)),
    flags: { seeds: seeds.join(','), parallel: options.parallel },
  });
  return startSweep(loaded, { ...options, launcher: 'local', queue: undefined, sbatch: [] }, shell);
}
