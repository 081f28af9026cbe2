/**
 * Runs that are killed or asked to stop at many moments: each is resumed, loses nothing, and ends
 * like one that nothing ever stopped.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { checkpointNames, loadCheckpoint, resolveCheckpoint } from '../../src/run/checkpoints.js';
import { TEMPORARY_PREFIX } from '../../src/run/files.js';
import { EXIT } from '../../src/util/errors.js';
import { RandomStream } from '../../src/util/random.js';
import { compareRuns, isDone, type Outcome, runUnder } from '../../src/verify/resume.js';
import { type LogLine, readLog } from '../support/cli.js';
import type { Extent, Figures } from './figures.js';
import { type Finish, type Killable, killable, VARIANTS } from './killable.js';
import { type AtOperation, type LastRecord, type Moment, momentInWords, signalled } from './moments.js';

/** What a process leaves in a run directory. */
interface Standing {
  readonly records: readonly LogLine[];
  /** Step of the newest checkpoint; 0 without any. */
  readonly newest: number;
  readonly isTorn: boolean;
}

function standing(directory: string | undefined): Standing {
  const path = join(directory ?? '', 'log.jsonl');
  const lines = directory !== undefined && existsSync(path) ? readFileSync(path, 'utf8').split('\n') : [''];
  const rest = lines.pop();
  const names = directory === undefined ? [] : checkpointNames(join(directory, 'checkpoints'));
  return {
    records: lines.map(line => JSON.parse(line) as LogLine),
    newest: Number(/\d+/.exec(names.at(-1) ?? '')?.[0] ?? 0),
    isTorn: rest !== '',
  };
}

/** Whether the run says what it is, so that it can be gone on with. */
function hasBegun(directory: string | undefined): directory is string {
  return directory !== undefined && existsSync(join(directory, 'manifest.json'));
}

/** Checkpoints that are not whole, or were there `before` and are gone without a newer one. */
function lost(directory: string, before: Standing): string[] {
  const folder = join(directory, 'checkpoints');
  const names = checkpointNames(folder);
  const broken = names.flatMap(name => complaint(name, () => loadCheckpoint(join(folder, name))));
  if (names.length > 0) broken.push(...complaint('last', () => resolveCheckpoint(folder, 'last')));
  const { newest, records } = standing(directory);
  const told = records.filter(({ event }) => event === 'checkpoint.saved').map(({ step }) => Number(step));
  const latest = Math.max(before.newest, ...told);
  if (newest < latest) broken.push(`the newest checkpoint is of step ${newest}, not ${latest}`);
  return broken;
}

function complaint(what: string, action: () => unknown): string[] {
  try {
    action();
    return [];
  } catch (error) {
    return [`${what}: ${error}`];
  }
}

/** Differences from the run that nothing stopped, steps that are not told once, files left over. */
function differences(straight: string, directory: string): string[] {
  const found = compareRuns(straight, directory).map(({ file, what }) => `${file} ${what}`);
  const broken = complaint('log.jsonl', () => readLog(directory));
  if (broken.length > 0) return [...found, ...broken];
  const steps = readLog(directory).flatMap(({ event, step }) => (event === 'train.step' ? [step] : []));
  const wrong = steps.findIndex((step, i) => step !== i + 1);
  if (wrong >= 0) found.push(`log.jsonl has step ${steps[wrong]} in the place of ${wrong + 1}`);
  const expected = readdirSync(straight);
  const left = readdirSync(directory).filter(
    name => !expected.includes(name) && !/^log\.replaced-\d+\.jsonl$/.test(name),
  );
  return [...found, ...left.map(name => `${name} is left over`)];
}

/** Where a run stands: steps in its log, steps of the whole run, records in its log. */
interface Place {
  readonly done: number;
  readonly all: number;
  readonly records: number;
}

const upTo = (random: RandomStream, most: number): number => 1 + random.integer(most);
const ahead = (random: RandomStream, { done, all }: Place): number => Math.min(done + upTo(random, 14), all);
const once = (record: string, isReached: (last: LastRecord) => boolean, delay: number): Moment => ({
  kind: 'log',
  record,
  isReached,
  delay,
});
const stepRecord = (step: number): string => `"event":"train.step".*"step":${step},`;
const lastEvaluation = (steps: number): string => `"event":"eval".*"step":${steps},`;

/** By what the run is doing then; delays in milliseconds as on a busy machine. */
const MOMENTS: Readonly<Record<string, (random: RandomStream, place: Place) => Moment>> = {
  /** Loading, the lock, the log's cut, the manifest, the first records. */
  start: random =>
    random.uniform() < 0.5
      ? { kind: 'clock', delay: random.uniform() * 900 }
      : { kind: 'operation', at: upTo(random, 50) },
  compiling: (random, { records }) =>
    once('the first record', ({ seq }) => seq >= records, random.uniform() * 300),
  step: (random, place) => {
    const step = ahead(random, place);
    return once(`step ${step}`, last => last.step >= step, random.uniform() * 4);
  },
  /** The step's record, and the save of some 20 operations that may follow it. */
  save: (random, place) => ({
    kind: 'operation',
    after: stepRecord(ahead(random, place)),
    at: random.integer(25),
  }),
  evaluation: (random, { records }) =>
    once(
      'the end of an epoch',
      ({ event, seq }) => event === 'train.epoch' && seq >= records,
      random.uniform() * 12,
    ),
  'epoch end': random => ({
    kind: 'operation',
    after: '"event":"train.epoch"',
    at: random.integer(20),
  }),
  /** The last save, the gates, the summary, the closing record, the lock's end. */
  closing: (random, { all }) => ({
    kind: 'operation',
    after: lastEvaluation(all),
    at: random.integer(45),
  }),
};

/** Right after the record of `step` is written, and nothing after it. */
export function afterStep(step: number): AtOperation {
  return { kind: 'operation', after: stepRecord(step), at: 0 };
}

/** Moments between the last evaluation and the end, from which nothing may be left undone. */
export function seamsAtEnd({ straight: { steps, gates } }: Killable): AtOperation[] {
  const before = (only: string, at = 1): AtOperation => ({
    kind: 'operation',
    after: lastEvaluation(steps),
    only,
    at,
  });
  return [
    // the evaluation is told, and not saved
    before('openSync .tmp-PID-step'),
    // the checkpoint is there, the index does not name it, and those that are to go are still there
    before('openSync .tmp-PID-index'),
    // the checkpoint is there, and no record of it
    before('writeSync log.jsonl'),
    // the summary says that the run is complete, and the log does not
    before('writeSync log.jsonl', gates.length + 2),
  ];
}

/**
 * Kills a run, and what resumes it, at each moment that `next` gives, lets it come to its end, and
 * gives the number of kills and what is wrong.
 */
async function kill(
  run: Killable,
  folder: string,
  finish: Finish,
  next: (place: Place, kills: number) => Moment | undefined,
  threads = () => 1,
): Promise<{ readonly kills: number; readonly failures: readonly string[] }> {
  const failures: string[] = [];
  const history: string[] = [];
  const told = (what: string) => `${run.name}, killed ${history.join('; ')}: ${what}`;
  let directory: string | undefined;
  /** Kills that left nothing to go on with, so that the run is started anew. */
  let anew = 0;
  const output = () => join(folder, `output-${anew}`);
  const args = () => [
    ...(directory === undefined ? [...run.args, '--output', output()] : ['resume', directory]),
    ...['--threads', `${threads()}`],
  ];
  for (;;) {
    const before = standing(directory);
    const done = Number(before.records.findLast(({ event }) => event === 'train.step')?.step ?? 0);
    const place = { done, all: run.straight.steps, records: before.records.length };
    const moment = next(place, history.length);
    if (moment === undefined) break;
    const { outcome, at } = await signalled(args(), { output: output(), directory }, moment, 'SIGKILL');
    directory ??= runUnder(output());
    if (outcome.signal !== 'SIGKILL') {
      if (isDone(outcome)) break;
      return { kills: history.length, failures: [told(`exit ${outcome.code}: ${outcome.stderr}`)] };
    }
    history.push(at ?? momentInWords(moment));
    if (hasBegun(directory)) failures.push(...lost(directory, before).map(told));
    else {
      directory = undefined;
      anew += 1;
    }
  }
  try {
    const end = await finish(args());
    failures.push(...differences(run.straight.directory, end.directory).map(told));
  } catch (error) {
    failures.push(told(String(error)));
  }
  return { kills: history.length, failures };
}

/** Gives what is wrong once the run was killed at `moment` and resumed. */
export async function killOnce(
  run: Killable,
  folder: string,
  moment: Moment,
  finish: Finish,
): Promise<readonly string[]> {
  const { kills, failures } = await kill(run, folder, finish, (_, kills) =>
    kills === 0 ? moment : undefined,
  );
  return kills === 1 ? failures : [`${run.name} was not killed at ${momentInWords(moment)}`];
}

/** Kills of one run at most, so that many come to their end. */
const MAX_KILLS = 12;

/** Kills at random moments, over as many runs as that takes. */
export async function manyKills(
  folder: string,
  { seed, cases, jobs }: Extent,
  finish: Finish,
): Promise<Figures> {
  const names = Object.keys(VARIANTS);
  const straight = new Map<string, Promise<Killable>>();
  const failures: string[] = [];
  const moments = Object.values(MOMENTS);
  let left = cases;
  await inTurn(jobs, folder, async (number, path) => {
    if (left === 0) return false;
    const name = names[number % names.length];
    if (!straight.has(name)) straight.set(name, killable(join(folder, `straight-${straight.size}`), name));
    const run = (await straight.get(name)) as Killable;
    const random = RandomStream.of(seed, `soak/kills/${number}`);
    const most = Math.min(MAX_KILLS, Math.ceil(left / jobs));
    left -= most;
    const next = (place: Place, kills: number): Moment | undefined => {
      if (kills >= most) return undefined;
      const moment = moments[random.integer(moments.length)](random, place);
      return moment.kind === 'operation' && random.uniform() < 0.5 ? { ...moment, torn: true } : moment;
    };
    const report = await kill(run, path, finish, next, () => 1 + random.integer(2));
    left += most - report.kills;
    failures.push(...report.failures.map(what => `run ${number}: ${what}`));
    return true;
  });
  return { what: 'at random moments', cases: cases - left, failures };
}

/** Kills a run of `cases` steps after each of them. */
export async function killsAtEveryStep(
  folder: string,
  { cases, jobs }: Extent,
  finish: Finish,
): Promise<Figures> {
  const length = { num_epochs: Math.ceil(cases / 12), max_steps: cases };
  const runs = await allKillable(folder, Object.keys(VARIANTS).slice(0, 2), length);
  const kills = Array.from({ length: cases }, (_, i) => [runs[i % runs.length], afterStep(i + 1)] as const);
  return killEach('after each step', folder, kills, jobs, finish);
}

/** Kills runs of each kind at every seam of their end. */
export async function killsAtSeams(folder: string, { jobs }: Extent, finish: Finish): Promise<Figures> {
  const runs = await allKillable(folder, Object.keys(VARIANTS));
  const kills = runs.flatMap(run => seamsAtEnd(run).map(moment => [run, moment] as const));
  return killEach('at the seams of the end', folder, kills, jobs, finish);
}

function allKillable(folder: string, names: readonly string[], more?: object): Promise<Killable[]> {
  return Promise.all(names.map((name, i) => killable(join(folder, `straight-${i}`), name, more)));
}

async function killEach(
  what: string,
  folder: string,
  kills: readonly (readonly [Killable, AtOperation])[],
  jobs: number,
  finish: Finish,
): Promise<Figures> {
  const failures: string[] = [];
  await inTurn(jobs, folder, async (number, path) => {
    if (number >= kills.length) return false;
    const [run, moment] = kills[number];
    failures.push(...(await killOnce(run, path, moment, finish)));
    return true;
  });
  return { what, cases: kills.length, failures };
}

/** Sends SIGINT or SIGTERM in each phase in its turn, the start of a resume among them. */
export async function manySignals(
  folder: string,
  { seed, cases, jobs }: Extent,
  finish: Finish,
): Promise<Figures> {
  const [run] = await allKillable(folder, Object.keys(VARIANTS).slice(0, 1));
  const failures: string[] = [];
  await inTurn(jobs, folder, async (number, path) => {
    if (number >= cases) return false;
    const random = RandomStream.of(seed, `soak/signals/${number}`);
    failures.push(...(await stopAndGoOn(run, path, random, number, finish)));
    return true;
  });
  return { what: 'in each phase', cases, failures };
}

/** Sends a signal to a run, looks at what is left, and resumes it to its end. */
async function stopAndGoOn(
  run: Killable,
  output: string,
  random: RandomStream,
  number: number,
  finish: Finish,
): Promise<string[]> {
  const phases = Object.entries(MOMENTS);
  const [phase, draw] = phases[number % (phases.length + 1)] ?? ["resume's start", MOMENTS.start];
  const isResumed = phase === "resume's start";
  const signal = random.integer(2) === 0 ? 'SIGINT' : 'SIGTERM';
  // each third case sends a second signal
  const second = number % 3 === 2 ? random.uniform() * 40 : undefined;
  const start = [...run.args, '--output', output];
  if (isResumed)
    await signalled(start, { output, directory: undefined }, afterStep(upTo(random, 40)), 'SIGKILL');
  const directory = isResumed ? runUnder(output) : undefined;
  const before = directory && snapshot(directory);
  const place = { done: 0, all: run.straight.steps, records: standing(directory).records.length };
  const moment = draw(random, place);
  const args = directory === undefined ? start : ['resume', directory];
  const { outcome, at } = await signalled(args, { output, directory }, moment, signal, second);
  const left = directory ?? runUnder(output);
  const failures = judge(outcome, left, before, signal, second !== undefined);
  if (hasBegun(left)) {
    try {
      await finish(['resume', left]);
      failures.push(...differences(run.straight.directory, left));
    } catch (error) {
      failures.push(String(error));
    }
  }
  const when = `${phase}, ${signal}${second === undefined ? '' : ' twice'}, ${at ?? momentInWords(moment)}`;
  return failures.map(what => `case ${number} (${when}): ${what}`);
}

/** What is wrong about how the process ended, and about what it left. */
function judge(
  outcome: Outcome,
  directory: string | undefined,
  before: string | undefined,
  signal: string,
  isTwice: boolean,
): string[] {
  const { code, stdout, stderr } = outcome;
  const ended = [`ended with ${code ?? outcome.signal}: ${stderr}`];
  const left = standing(directory);
  const isClosed = left.records.at(-1)?.event === 'run.end';
  const whole = directory === undefined ? [] : lost(directory, standing(undefined));
  if (left.isTorn) whole.push('the last line of the log is torn');
  if (!stderr.includes(`${signal}: stopping after the current step`)) {
    // while the program loads a signal ends it; after it has said its result nobody listens
    const isSame = directory === undefined ? before === undefined : snapshot(directory) === before;
    if (isSame && (outcome.signal !== null || code === EXIT.interrupted)) return [];
    return isClosed ? whole : ['it was not heard', ...ended];
  }
  if (code === EXIT.interrupted && stdout !== '') return [...whole, ...notClosed(outcome, directory, left)];
  if (isDone(outcome)) return whole;
  if (!isTwice) return ended;
  // the second one ends the process at once, or comes when nobody listens any more
  if (code === EXIT.interrupted || (outcome.signal === signal && isClosed)) return whole;
  return [...ended, ...whole];
}

/** What is wrong about a run that was asked to stop and did. */
function notClosed({ stdout, stderr }: Outcome, directory: string | undefined, left: Standing): string[] {
  if (directory === undefined) return ['there is no run'];
  const failures: string[] = [];
  const summary = JSON.parse(stdout);
  const { event, status, exit_code, steps } = left.records.at(-1) ?? { event: 'nothing' };
  if (event !== 'run.end' || status !== 'interrupted' || exit_code !== EXIT.interrupted)
    failures.push(`the last record is ${event}, status ${status}`);
  if (left.newest !== steps || summary.steps !== steps)
    failures.push(`the newest checkpoint is of step ${left.newest}, the last record's ${steps}`);
  const names = readdirSync(directory, { recursive: true, encoding: 'utf8' });
  const litter = names.filter(name => name.includes(TEMPORARY_PREFIX) || name === 'run.lock');
  if (litter.length > 0) failures.push(`${litter} is left`);
  if (!stderr.includes('Resume with: ')) failures.push(`no word on how to go on: ${stderr}`);
  return failures;
}

/** Every file of a run directory and what is in it; temporary names and locks left out. */
function snapshot(directory: string): string {
  const names = readdirSync(directory, { recursive: true, encoding: 'utf8' }).sort();
  return names
    .filter(name => /\.\w+$/.test(name) && !name.includes(TEMPORARY_PREFIX) && !name.startsWith('run.lock'))
    .map(name => `${name} ${readFileSync(join(directory, name), 'base64')}`)
    .join('\n');
}

/** Calls `action` with 0, 1, 2 ... and a folder of its own until it gives false; `jobs` at once. */
async function inTurn(
  jobs: number,
  folder: string,
  action: (number: number, path: string) => Promise<boolean>,
): Promise<void> {
  let next = 0;
  const work = async () => {
    for (let goesOn = true; goesOn; ) {
      const number = next++;
      const path = join(folder, `case-${number}`);
      mkdirSync(path);
      goesOn = await action(number, path);
      rmSync(path, { recursive: true, force: true });
    }
  };
  await Promise.all(Array.from({ length: jobs }, work));
}
