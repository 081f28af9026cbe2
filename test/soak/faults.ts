/**
 * Every operation of a scenario with every fault: what was there before is still there or has been
 * replaced whole, whatever fails is said, and the same once more succeeds.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { UserError } from '../../src/util/errors.js';
import {
  Crash,
  changes,
  type Fault,
  type FaultPlan,
  FaultyFiles,
  type Operation,
} from '../support/faulty-files.js';
import type { Figures } from './figures.js';
import type { Attempt, Scenario } from './scenarios.js';

const ERRORS: readonly Fault[] = ['EIO', 'ENOSPC', 'EACCES'];
const OF_WRITES: readonly Fault[] = ['short write', 'empty write', 'full disk', 'torn write'];

/** In the empty `folder`; `twice` if the attempt after a fault meets every fault as well. */
export function injectFaults(scenario: Scenario, folder: string, { twice = false } = {}): Figures {
  const bench = new Bench(scenario, folder);
  const operations = bench.operations();
  const plans = operations.flatMap((operation, at) => plansFor(operation, at, scenario));
  for (const plan of plans) bench.tryOnce(plan);
  if (twice) for (const plan of plans) bench.tryTwice(plan);
  if (scenario.survivesCrash) for (let at = 0; at <= operations.length; at++) bench.losePower(at);
  const { cases, failures } = bench;
  return { what: scenario.name, cases, failures, note: `${operations.length} operations` };
}

function plansFor(operation: Operation, at: number, { survivesCrash }: Scenario): FaultPlan[] {
  const faults = [
    ...ERRORS,
    ...(operation.call === 'write' ? OF_WRITES : []),
    ...(survivesCrash ? (['crash'] as const) : []),
  ];
  return faults.flatMap(fault => [false, true].map(lasting => ({ fault, at, lasting })));
}

type Outcome = 'done' | 'reported' | 'crashed';

class Bench {
  cases = 0;
  readonly failures: string[] = [];

  constructor(
    private readonly scenario: Scenario,
    private readonly folder: string,
  ) {}

  /** Of the scenario where nothing fails. */
  operations(): readonly Operation[] {
    const { attempt, files: start } = this.prepare();
    const files = start.next();
    files.during(() => attempt.act());
    files.close();
    this.cases++;
    this.expect('nothing', attempt.lost() ?? attempt.unfinished());
    return files.operations;
  }

  tryOnce(plan: FaultPlan): void {
    this.case(plan, (attempt, start) => {
      const files = start.next(plan);
      const outcome = attempted(files, attempt.act);
      const what = words(plan, files.operations);
      this.expect(what, silence(plan, files, outcome));
      this.expect(what, attempt.lost(plan.fault));
      this.recover(what, attempt, outcome, files);
    });
  }

  /** The second attempt meets each fault at each of its operations, and the third succeeds. */
  tryTwice(plan: FaultPlan): void {
    const faults = this.scenario.survivesCrash ? (['EIO', 'crash'] as const) : (['EIO'] as const);
    let reached = true;
    for (let at = 0; reached; at++) {
      reached = false;
      for (const fault of faults) {
        this.case(plan, (attempt, start) => {
          const first = start.next(plan);
          const outcome = attempted(first, attempt.act);
          if (outcome === 'done') return;
          const second = first.next({ fault, at, lasting: false });
          const next = attempted(second, () => again(attempt, outcome === 'crashed'));
          reached ||= second.operations.length > at;
          const what = `${words(plan, first.operations)}, then ${fault} at ${at}`;
          this.expect(what, attempt.lost('EIO'));
          const isAnew = next !== 'done' && outcome === 'crashed';
          this.recover(what, attempt, isAnew ? outcome : next, second);
        });
      }
    }
  }

  /** Before operation `at`, or after all of them, with every outcome that this may have. */
  losePower(at: number): void {
    const plan = { fault: 'crash', at, lasting: true } as const;
    for (let index = 0, count = 1; index < count; index++) {
      this.case(plan, (attempt, start) => {
        const files = start.next(plan);
        attempted(files, attempt.act);
        const losses = files.durable.losses();
        count = losses.length;
        files.close();
        files.durable.lose(losses[index]);
        const what = `power lost before operation ${at} (${JSON.stringify(losses[index])})`;
        const isFinished = files.operations.length <= at;
        this.expect(what, attempt.lost() ?? (isFinished ? attempt.undone?.() : undefined));
        this.recover(what, attempt, 'crashed', files);
      });
    }
  }

  private prepare(): { attempt: Attempt; files: FaultyFiles } {
    const path = mkdtempSync(join(this.folder, 'case-'));
    const files = new FaultyFiles(path);
    const attempt = files.during(() => this.scenario.prepare(path));
    return { attempt, files };
  }

  private case(plan: FaultPlan, run: (attempt: Attempt, start: FaultyFiles) => void): void {
    const { attempt, files } = this.prepare();
    this.cases++;
    try {
      run(attempt, files);
    } catch (error) {
      this.expect(words(plan, []), `threw ${error instanceof Error ? error.stack : error}`);
    }
    files.close();
    rmSync(files.folder, { recursive: true });
  }

  private recover(what: string, attempt: Attempt, outcome: Outcome | Error, files: FaultyFiles): void {
    const anew = outcome === 'crashed';
    if (anew) files.close();
    try {
      // without faults, but also without fsync, which costs milliseconds
      if (outcome !== 'done') files.next().during(() => again(attempt, anew));
    } catch (error) {
      this.expect(what, `another attempt fails: ${error}`);
      return;
    }
    this.expect(what, attempt.unfinished() ?? attempt.lost('EIO'));
  }

  private expect(what: string, complaint: string | undefined): void {
    if (complaint !== undefined) this.failures.push(`${this.scenario.name}, ${what}: ${complaint}`);
  }
}

function again({ act, again = act }: Attempt, anew: boolean): unknown {
  return again(anew);
}

/** What is wrong about how a fault was told. */
function silence(
  { fault, at }: FaultPlan,
  { operations }: FaultyFiles,
  outcome: Outcome | Error,
): string | undefined {
  if (outcome instanceof Error) return `an error of the system came out: ${outcome.stack}`;
  if (fault === 'crash' || fault === 'torn write') return undefined;
  if (fault === 'short write') return outcome === 'done' ? undefined : 'was not gone on with';
  // a checkpoint that cannot be read is told as damaged; what cannot be removed now is seen where
  // it is still there afterwards
  const mayPass = !changes(operations[at]) || operations[at].call === 'rm';
  return outcome === 'done' && !mayPass ? 'nothing was said' : undefined;
}

function attempted(files: FaultyFiles, act: () => unknown): Outcome | Error {
  try {
    files.during(act);
    return 'done';
  } catch (error) {
    if (error instanceof Crash) return 'crashed';
    if (error instanceof UserError && error.diagnostics.every(({ file }) => file)) return 'reported';
    return error instanceof Error ? error : new Error(String(error));
  }
}

function words({ fault, at, lasting }: FaultPlan, operations: readonly Operation[]): string {
  const operation = operations[at];
  return `${fault}${lasting ? ' from' : ''} at operation ${at}${operation ? ` (${operation.call} ${operation.path})` : ''}`;
}
