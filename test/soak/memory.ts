/** Whether memory stays flat over many steps with their evaluations and checkpoints. */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

export interface MemorySample {
  readonly step: number;
  /** Bytes, after a collection of garbage. */
  readonly heap: number;
  readonly external: number;
  readonly arrayBuffers: number;
  readonly resident: number;
  readonly files: number;
}

const MB = 1e6;

/**
 * What each figure may gain. The objects of a run gain a few hundred bytes with each evaluation,
 * which early stopping and schedules look back at; the threads collect their garbage when they
 * like.
 */
const MOST: Readonly<Record<Exclude<keyof MemorySample, 'step'>, number>> = {
  heap: 1 * MB,
  external: 0.1 * MB,
  arrayBuffers: 0.1 * MB,
  resident: 8 * MB,
  files: 0,
};

const execute = promisify(execFile);

/** Trains in a process of its own, in the empty `folder`: a sample after each of two steps. */
export async function sampleMemory(
  folder: string,
  early: number,
  late: number,
): Promise<readonly MemorySample[]> {
  const child = fileURLToPath(new URL('./memory-child.js', import.meta.url));
  const { stdout } = await execute(process.execPath, [child, folder, `${early}`, `${late}`]);
  return JSON.parse(stdout) as readonly MemorySample[];
}

export function growth([early, late]: readonly MemorySample[]): string[] {
  return (Object.keys(MOST) as (keyof typeof MOST)[])
    .filter(name => late[name] - early[name] > MOST[name])
    .map(name => `${name}: ${early[name]} after ${early.step} steps, ${late[name]} after ${late.step}`);
}
