/** Whether memory stays flat over many steps. */
import { readFileSync } from 'node:fs';
import { type LoggedStep, loggedSteps } from './programs.js';
import type { Figure } from './results.js';
import { spreadOf } from './results.js';
import { runReference } from './whole.js';

const STEPS = 10_000;
const STEPS_PER_EPOCH = 600;
/**
 * Over so many steps the resident memory is sampled: between collections of garbage it goes up and
 * down.
 */
const WINDOW = 100;

interface Sample {
  /** Milliseconds since the epoch. */
  readonly time: number;
  readonly megabytes: number;
}

/**
 * RSS after 10,000 steps over that after 500, through `./run`. The first evaluation, after step
 * 600, compiles programs of its own, which stay; a second figure starts after it, and shows what
 * steps alone add.
 */
export async function measureSoak(threads: number): Promise<Figure[]> {
  const samples: Sample[] = [];
  const settings = [
    `training.num_epochs=${Math.ceil(STEPS / STEPS_PER_EPOCH)}`,
    `training.max_steps=${STEPS}`,
    `training.log_every=${WINDOW}`,
  ];
  const steps = await runReference(
    settings,
    threads,
    (_finished, output) => loggedSteps(output),
    pid => {
      const megabytes = residentMemory(pid);
      if (megabytes !== undefined) samples.push({ time: Date.now(), megabytes });
    },
  );
  const end = memoryAfter(STEPS - WINDOW, steps, samples);
  return [['soak/rss', 500] as const, ['soak/rss-after-evaluation', 1000] as const].map(([id, from]) => {
    const start = spreadOf(memoryAfter(from, steps, samples));
    return {
      id,
      what: `RSS after ${STEPS} steps over that after ${from}`,
      unit: 'MB',
      ours: spreadOf(end),
      other: { name: `after ${from} steps`, value: start },
      ratio: spreadOf(end.map(megabytes => megabytes / start.median)),
    };
  });
}

/** Samples taken from logged step `from` to the one after. */
export function memoryAfter(
  from: number,
  steps: readonly LoggedStep[],
  samples: readonly Sample[],
): number[] {
  const at = steps.findIndex(({ step }) => step === from);
  if (at < 0 || at + 1 >= steps.length) throw new Error(`step ${from} is not in the log`);
  const found = samples.filter(({ time }) => time >= steps[at].time && time <= steps[at + 1].time);
  if (found.length === 0) throw new Error(`no memory was sampled after step ${from}`);
  return found.map(({ megabytes }) => megabytes);
}

/** Undefined where the system does not tell (it has no /proc) or the process has ended. */
function residentMemory(pid: number): number | undefined {
  try {
    const [, kilobytes] = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
    return kilobytes === undefined ? undefined : Number(kilobytes) / 1024;
  } catch {
    return undefined;
  }
}
