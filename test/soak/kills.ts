/**
 * SIGKILL at random moments: runs are killed, resumed, killed again, and at their end compared with
 * one that never was.
 */
import { join } from 'node:path';
import { RandomStream } from '../../src/util/random.js';
import { isDone, runUnder } from '../../src/verify/resume.js';
import type { LogLine } from '../support/cli.js';
import type { Finish, Killable } from './killable.js';
import {
  activity,
  differences,
  hasBegun,
  lostCheckpoints,
  NOTHING,
  type Standing,
  standing,
} from './left-behind.js';
import { type AtOperation, type LastRecord, type Moment, momentInWords, signalled } from './moments.js';

/** What became of one run that was killed again and again. */
export interface KilledReport {
  readonly kills: number;
  /** What each kill hit, and how often. */
  readonly hits: ReadonlyMap<string, number>;
  /** Kills that left nothing to go on with, so that the run was started anew. */
  readonly anew: number;
  readonly differences: readonly string[];
  readonly lost: readonly string[];
  /** What kept a run from going on without somebody's help. */
  readonly repairs: readonly string[];
}

/** Kills of one run at most, so that many come to their end. */
export const MAX_KILLS = 12;

export interface KilledRun {
  readonly seed: number;
  readonly number: number;
  readonly most: number;
  /** How the run comes to its end after the last kill. */
  readonly finish: Finish;
}

/**
 * Kills a run at most `most` times; `number` decides when, and on how many threads each of its
 * processes works.
 */
export async function killAgainAndAgain(
  run: Killable,
  folder: string,
  { seed, number, most, finish }: KilledRun,
): Promise<KilledReport> {
  const killing = new Killing(run, folder, RandomStream.of(seed, `soak/kills/${number}`), number, finish);
  return killing.go(most);
}

class Killing {
  /** Where the run is and will be. */
  private readonly at: { output: string; directory: string | undefined };
  private outputs = 0;
  private readonly hits = new Map<string, number>();
  private readonly lost: string[] = [];
  private readonly repairs: string[] = [];
  private kills = 0;
  /** What led to where the run stands. */
  private readonly history: string[] = [];

  constructor(
    private readonly run: Killable,
    private readonly folder: string,
    private readonly random: RandomStream,
    private readonly number: number,
    private readonly finish: Finish,
  ) {
    this.at = { output: join(folder, 'output-1'), directory: undefined };
  }

  async go(most: number): Promise<KilledReport> {
    while (this.kills < most && this.repairs.length === 0 && (await this.killOnce()));
    const found = this.repairs.length > 0 ? [] : await this.end();
    return {
      kills: this.kills,
      hits: this.hits,
      anew: this.outputs,
      differences: found,
      lost: this.lost,
      repairs: this.repairs,
    };
  }

  /** Gives whether the run has not come to its end. */
  private async killOnce(): Promise<boolean> {
    const before = this.at.directory === undefined ? NOTHING : standing(this.at.directory);
    const moment = drawKill(this.random, before.records, this.run.straight.steps);
    const { outcome, at } = await signalled(this.next(), this.at, moment, 'SIGKILL');
    this.at.directory ??= runUnder(this.at.output);
    if (outcome.signal !== 'SIGKILL') {
      if (!isDone(outcome)) this.needsRepair(`exit ${outcome.code}: ${outcome.stderr}`);
      return false;
    }
    this.kills += 1;
    this.history.push(at ?? momentInWords(moment));
    this.look(before, moment);
    return true;
  }

  private look(before: Standing, moment: Moment): void {
    if (this.at.directory !== undefined && hasBegun(this.at.directory)) {
      const how = moment.kind === 'operation' ? 'at an operation' : 'from outside';
      this.count(`${activity(before, standing(this.at.directory))}, ${how}`);
      this.lost.push(...lostCheckpoints(this.at.directory, before).map(this.told));
      return;
    }
    this.count(this.at.directory === undefined ? 'no directory yet' : 'no manifest yet');
    this.at.directory = undefined;
    this.outputs += 1;
    this.at.output = join(this.folder, `output-${this.outputs + 1}`);
  }

  private async end(): Promise<string[]> {
    try {
      const { directory } = await this.finish(this.next());
      const found = differences(this.run.straight.directory, directory);
      return found.length === 0 ? [] : [this.told(found.join('; '))];
    } catch (error) {
      this.needsRepair(String(error));
      return [];
    }
  }

  private next(): string[] {
    const begin =
      this.at.directory === undefined ? [...this.run.args, '--output', this.at.output] : undefined;
    const threads = String(1 + this.random.integer(2));
    return [...(begin ?? ['resume', this.at.directory ?? '']), '--threads', threads];
  }

  private needsRepair(why: string): void {
    this.repairs.push(this.told(why));
  }

  private count(what: string): void {
    this.hits.set(what, (this.hits.get(what) ?? 0) + 1);
  }

  private readonly told = (what: string): string =>
    `run ${this.number} (${this.run.name}), killed ${this.history.join('; ')}: ${what}`;
}

/** What a process takes from its start to its first steps on a busy machine, and a bit. */
const START_MS = 900;
/** A step or two. */
const STEP_MS = 4;
/** An evaluation. */
const EVALUATION_MS = 12;
/** Steps ahead of where the run stands. */
const AHEAD = 14;

/** Where the run stands. */
interface Place {
  /** The last step in its log. */
  readonly done: number;
  /** Steps of the whole run. */
  readonly all: number;
  /** Records in its log. */
  readonly records: number;
}

type Draw = (random: RandomStream, place: Place) => Moment;

const pick = (random: RandomStream, most: number): number => 1 + random.integer(most);
const isTorn = (random: RandomStream): { torn?: boolean } => (random.uniform() < 0.5 ? { torn: true } : {});

/** Each as often as it stands here. */
const DRAWS: readonly Draw[] = [
  atAnyTime,
  atAnyTime,
  aroundStep,
  aroundStep,
  inEvaluation,
  inEvaluation,
  atStart,
  atStart,
  soonAfterStep,
  soonAfterStep,
  soonAfterStep,
  atEnd,
];

/** `records` are those of the run as it stands; it has `all` steps. */
export function drawKill(random: RandomStream, records: readonly LogLine[], all: number): Moment {
  const steps = records.flatMap(({ event, step }) => (event === 'train.step' ? [Number(step)] : []));
  const draw = DRAWS[random.integer(DRAWS.length)];
  return draw(random, { done: steps.at(-1) ?? 0, all, records: records.length });
}

function atAnyTime(random: RandomStream): Moment {
  return { kind: 'clock', delay: random.uniform() * START_MS };
}

function aroundStep(random: RandomStream, { done, all }: Place): Moment {
  const step = Math.min(done + pick(random, AHEAD), all);
  const isReached = (last: LastRecord) => last.step >= step;
  return { kind: 'log', record: `step ${step}`, isReached, delay: random.uniform() * STEP_MS };
}

function inEvaluation(random: RandomStream, { records }: Place): Moment {
  // not the one that stands there from before
  const isReached = ({ event, seq }: LastRecord) => event === 'train.epoch' && seq !== records - 1;
  return { kind: 'log', record: 'the end of an epoch', isReached, delay: random.uniform() * EVALUATION_MS };
}

/** The lock, the log's cut, the manifest, the first records. */
function atStart(random: RandomStream): Moment {
  return { kind: 'operation', at: pick(random, 50), ...isTorn(random) };
}

/** The steps' records and the saves among them, of some 20 operations each. */
function soonAfterStep(random: RandomStream, { done, all }: Place): Moment {
  const step = Math.min(done + pick(random, AHEAD), all);
  return {
    kind: 'operation',
    after: `"event":"train.step".*"step":${step},`,
    at: random.integer(25),
    ...isTorn(random),
  };
}

/** The last save, the gates, the summary, the closing record, the lock's end. */
function atEnd(random: RandomStream, { all }: Place): Moment {
  return {
    kind: 'operation',
    after: `"event":"eval".*"step":${all},`,
    at: random.integer(45),
    ...isTorn(random),
  };
}

/** Right after the record of `step` is written, and nothing after it. */
export function afterStep(step: number): AtOperation {
  return { kind: 'operation', after: `"event":"train.step".*"step":${step},`, at: 0 };
}

/**
 * Moments between the last evaluation and the end of `run`, from which nothing may be left undone.
 */
export function seamsAtEnd({ straight: { steps, gates } }: Killable): AtOperation[] {
  const before = (only: string, at = 1): AtOperation => ({
    kind: 'operation',
    after: `"event":"eval".*"step":${steps},`,
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
 * Gives what differs once the run was resumed to its end, in one sentence; undefined where nothing
 * does.
 */
export async function killOnce(
  run: Killable,
  output: string,
  moment: AtOperation,
  finish: Finish,
): Promise<string | undefined> {
  const told = (what: string) => `${run.name}, killed at ${momentInWords(moment)}: ${what}`;
  const args = [...run.args, '--threads', '1', '--output', output];
  const { outcome } = await signalled(args, { output, directory: undefined }, moment, 'SIGKILL');
  const directory = runUnder(output);
  if (outcome.signal !== 'SIGKILL' || directory === undefined) return told('it was not killed');
  try {
    await finish(['resume', directory, '--threads', '1']);
  } catch (error) {
    return told(String(error));
  }
  const found = differences(run.straight.directory, directory);
  return found.length === 0 ? undefined : told(found.join('; '));
}
