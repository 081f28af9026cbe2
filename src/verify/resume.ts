/**
 * Checks on this machine that runs of a config survive SIGKILL: they are killed during training,
 * saving and logging, resumed, and compared byte by byte with an uninterrupted run.
 */
import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { digestOfFile } from '../run/files.js';
import type { Summary } from '../run/summary.js';
import { EXIT, UserError } from '../util/errors.js';
import { RandomStream } from '../util/random.js';
import { counted } from '../util/words.js';

export type Program = readonly [executable: string, ...first: readonly string[]];

export interface VerifyResumeOptions {
  readonly program: Program;
  readonly flags: readonly string[];
  readonly kills: number;
  readonly seed: number;
  /** Aborted to kill the running program and start no other. */
  readonly stop: AbortSignal;
  note(text: string): void;
}

interface KilledRun {
  /** The last step in the log at each SIGKILL; -1 before the first. */
  readonly killed_after: readonly number[];
  readonly differences: readonly Difference[];
}

export type ResumeResults = Awaited<ReturnType<typeof verifyResume>>;

/** Maximum kills of one run; further ones go to another run. */
const MAX_KILLS = 3;
/** Logs every step, so that the step at each kill is known. */
const LOG_EVERY_STEP = ['--set', 'training.log_every=1'];

export async function verifyResume(config: string, options: VerifyResumeOptions) {
  const { flags, program, seed, note, stop } = options;
  const folder = mkdtempSync(join(tmpdir(), 'cellrun-verify-'));
  let identical = true;
  try {
    const args = ['run', config, ...flags, ...LOG_EVERY_STEP];
    const straight = await finish(program, [...args, '--output', join(folder, 'straight')], stop);
    const { directory, steps, config_hash, backend } = straight;
    // `auto` would measure again
    const again = backend === null ? args : [...args, '--backend', backend];
    note(`not killed: ${counted(steps, 'step')}`);
    const random = RandomStream.of(seed, 'verify/resume');
    const runs: KilledRun[] = [];
    for (let left = options.kills; left > 0; left -= MAX_KILLS) {
      const moments = killMoments(random, straight, Math.min(left, MAX_KILLS));
      const output = join(folder, `killed-${runs.length + 1}`);
      const killed = await runAndKill(program, again, output, moments, stop);
      const differences = compareRuns(directory, killed.directory);
      runs.push({ killed_after: killed.killedAfter, differences });
      const after = killed.killedAfter.map(step => Math.max(0, step)).join(', ');
      const verdict = differences.length === 0 ? 'identical' : 'DIFFERENT';
      note(`killed after ${after === '' ? 'its end' : `step ${after}`}: ${verdict}`);
      identical &&= differences.length === 0;
    }
    return {
      config_hash,
      seed,
      steps,
      kills: runs.reduce((total, run) => total + run.killed_after.length, 0),
      runs,
      files: resultDigests(directory),
      identical,
      /** Folder of the kept runs; null if they were deleted. */
      kept: identical ? null : folder,
    };
  } finally {
    if (identical) rmSync(folder, { recursive: true, force: true });
  }
}

/**
 * Random steps and random moments within them, while a step is computed, saved or logged: after
 * `delay` milliseconds once `step` is in the log.
 */
function killMoments(random: RandomStream, { steps, ms_per_step }: Summary, count: number) {
  const moments = Array.from({ length: count }, () => ({
    step: random.integer(steps),
    delay: random.uniform() * (ms_per_step ?? 0),
  }));
  return moments.sort((a, b) => a.step - b.step);
}

/** Kills a run at each of `moments` in turn, resumes it and lets it finish. */
async function runAndKill(
  program: Program,
  args: readonly string[],
  output: string,
  moments: ReturnType<typeof killMoments>,
  stop: AbortSignal,
): Promise<{ readonly directory: string; readonly killedAfter: readonly number[] }> {
  const killedAfter: number[] = [];
  let directory: string | undefined;
  const next = () => (directory === undefined ? [...args, '--output', output] : ['resume', directory]);
  for (const { step, delay } of moments) {
    const running = startRun(program, next(), stop);
    if (await cameTo(running, () => lastStep(runUnder(output)) >= step))
      await Promise.race([sleep(delay), running.ended]);
    running.child.kill('SIGKILL');
    const outcome = await running.ended;
    directory ??= runUnder(output);
    // it was done before
    if (outcome.signal !== 'SIGKILL' || stop.aborted) {
      refuseFailure(outcome, stop);
      break;
    }
    killedAfter.push(lastStep(directory));
  }
  const summary = await finish(program, next(), stop);
  return { directory: directory ?? summary.directory, killedAfter };
}

export async function finish(
  program: Program,
  args: readonly string[],
  stop?: AbortSignal,
): Promise<Summary> {
  const outcome = await startRun(program, args, stop).ended;
  refuseFailure(outcome, stop);
  return JSON.parse(outcome.stdout) as Summary;
}

export type RunningProgram = ReturnType<typeof startRun>;
export type Outcome = Awaited<RunningProgram['ended']>;

export function startRun([executable, ...first]: Program, args: readonly string[], stop?: AbortSignal) {
  const words = [...first, ...args, '--json', '--quiet'];
  const running = promisify(execFile)(executable, words, { maxBuffer: Number.POSITIVE_INFINITY });
  const { child } = running;
  const end = () => child.kill('SIGKILL');
  if (stop?.aborted) end();
  stop?.addEventListener('abort', end);
  const ended = running
    .catch((failed: { readonly stdout: string; readonly stderr: string }) => failed)
    .finally(() => stop?.removeEventListener('abort', end))
    .then(({ stdout, stderr }) => ({ code: child.exitCode, signal: child.signalCode, stdout, stderr }));
  return { child, ended };
}

export async function cameTo({ child }: RunningProgram, condition: () => boolean): Promise<boolean> {
  while (child.exitCode === null && child.signalCode === null) {
    if (condition()) return true;
    await sleep(1);
  }
  return false;
}

/** The one run directory `<output>/<name>/<id>`; undefined before there is one. */
export function runUnder(output: string): string | undefined {
  const [name] = existsSync(output) ? readdirSync(output) : [];
  const [id] = name === undefined ? [] : readdirSync(join(output, name));
  return id === undefined ? undefined : join(output, name, id);
}

/** The step of the last `train.step` record; -1 if there is none. */
export function lastStep(run: string | undefined): number {
  const path = run === undefined ? undefined : join(run, 'log.jsonl');
  if (path === undefined || !existsSync(path)) return -1;
  const log = readFileSync(path, 'utf8');
  const last = log.slice(Math.max(0, log.lastIndexOf('"event":"train.step"')));
  return Number(/"step":(\d+)/.exec(last)?.[1] ?? -1);
}

/** True if the run completed; a missed gate counts as completed. */
export function isDone({ code }: Pick<Outcome, 'code'>): boolean {
  return code === EXIT.done || code === EXIT.gate;
}

function refuseFailure(outcome: Outcome, stop: AbortSignal | undefined): void {
  if (stop?.aborted)
    throw new UserError(EXIT.interrupted, [
      { code: 'verify/interrupted', message: 'interrupted: nothing was checked or kept' },
    ]);
  if (isDone(outcome)) return;
  const { code, stderr } = outcome;
  const known = [EXIT.usage, EXIT.damaged, EXIT.diverged].find(usual => usual === code);
  const reason = stderr
    .trim()
    .split(/\s*\n\s*/)
    .join('; ');
  const message = `a run of this config failed with exit code ${code}: ${reason}`;
  throw new UserError(known ?? EXIT.unexpected, [{ code: 'verify/run-failed', message }]);
}

export interface Difference {
  readonly file: string;
  readonly what: string;
}

/** Differences of the run directory `actual` from `expected`; empty if the results are equal. */
export function compareRuns(expected: string, actual: string): Difference[] {
  const [then, now] = [expected, actual].map(
    run => new Map(resultDigests(run).map(({ file, sha256 }) => [file, sha256])),
  );
  const files = [...new Set([...then.keys(), ...now.keys()])].sort();
  const inBytes = files.flatMap(file => {
    if (!now.has(file)) return [{ file, what: 'is missing' }];
    if (!then.has(file)) return [{ file, what: 'is one too many' }];
    return then.get(file) === now.get(file) ? [] : [{ file, what: 'has other bytes' }];
  });
  return [...inBytes, ...compareSummaries(expected, actual), ...compareLogs(expected, actual)];
}

/** Digests of the checkpoints and the latest evaluation, which must be byte-identical. */
export function resultDigests(run: string): { readonly file: string; readonly sha256: string }[] {
  const folder = join(run, 'checkpoints');
  const checkpoints = existsSync(folder) ? readdirSync(folder).sort() : [];
  const files = [...checkpoints.map(name => `checkpoints/${name}`), 'evaluation.json'];
  return files
    .filter(file => existsSync(join(run, file)))
    .map(file => ({ file, sha256: digestOfFile(join(run, file)) }));
}

/** Fields of a summary about the training, without times. */
const COMPARED = [
  'status',
  'exit_code',
  'config_hash',
  'steps',
  'epochs',
  'metrics',
  'restored',
  'stopped_early',
  'best',
  'gates',
  'checkpoints',
] as const;

function compareSummaries(expected: string, actual: string): Difference[] {
  const [then, now] = [expected, actual].map(
    run => JSON.parse(readFileSync(join(run, 'summary.json'), 'utf8')) as Summary,
  );
  return COMPARED.filter(key => JSON.stringify(then[key]) !== JSON.stringify(now[key])).map(key => ({
    file: 'summary.json',
    what: `${key} is ${JSON.stringify(now[key])}, not ${JSON.stringify(then[key])}`,
  }));
}

const TIMES = new Set([
  'time',
  'seq',
  'duration_s',
  'samples_per_s',
  'ms_per_step',
  'calibration_ms',
  'step_ratio',
  // a measured one has times
  'backend_reason',
  // the summary has times
  'summary_sha256',
  'run_id',
]);

type Line = Readonly<Record<string, unknown>>;

function compareLogs(expected: string, actual: string): Difference[] {
  const file = 'log.jsonl';
  const [then, now] = [expected, actual].map(run =>
    readFileSync(join(run, file), 'utf8')
      .trimEnd()
      .split('\n')
      .map(line => JSON.parse(line) as Line),
  );
  const torn = now.findIndex(({ seq }, i) => seq !== i);
  if (torn >= 0) return [{ file, what: `line ${torn + 1} has seq ${now[torn].seq}, not ${torn}` }];
  // only a stopped run has records of its stop
  const [before, after] = [then, now].map(lines =>
    lines.filter(({ event, temporary }) => event !== 'run.resume' && temporary !== true).map(withoutTimes),
  );
  const length = Math.max(before.length, after.length);
  const at = Array.from({ length }, (_, i) => i).find(i => before[i] !== after[i]);
  const what = (at = 0) => `record ${at + 1} is ${after[at] ?? 'missing'}, not ${before[at] ?? 'missing'}`;
  return at === undefined ? [] : [{ file, what: what(at) }];
}

function withoutTimes(line: Line): string {
  return JSON.stringify(Object.entries(line).filter(([key]) => !TIMES.has(key)));
}
