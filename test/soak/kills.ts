/**
 * SIGKILL at random moments: runs are killed, resumed, killed again, and at their end compared with
 * one that never was.
 */
import { join } from 'node:path';
import { RandomStream } from '../../src/util/random.js';
import { isDone, runUnder } from '../../src/verify/resume.js';
import { drawKill } from './draw-kill.js';
import type { Finish } from './finish.js';
import type { Killable } from './killable.js';
import {
  activity,
  differences,
  hasBegun,
  lostCheckpoints,
  NOTHING,
  type Standing,
  standing,
} from './left-behind.js';
import { type Moment, momentInWords, signalled } from './moments.js';

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
