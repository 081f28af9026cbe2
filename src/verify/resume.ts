/**
 * Proves on this machine that runs of a config survive SIGKILL: they are killed during training,
 * saving and logging, resumed, and compared byte by byte with an uninterrupted run.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Summary } from '../run/summary.js';
import { RandomStream } from '../util/random.js';
import { counted } from '../util/words.js';
import { compareRuns, type Difference, type FileDigest, resultDigests } from './compare-runs.js';
import { finish, type KillMoment, type Program, runAndKill } from './killing.js';
import { makeOutputFolder, writeProof } from './proof.js';

export interface VerifyResumeOptions {
  readonly config: string;
  /** The command that starts this program. */
  readonly program: Program;
  /** Flags of the runs, such as `--set` and `--backend`. */
  readonly flags: readonly string[];
  /** Total number of kills over all runs. */
  readonly kills: number;
  /** Seed of the moments. */
  readonly seed: number;
  /** The output root; the proof is written under it. */
  readonly output: string;
  readonly started: Date;
  readonly note: (text: string) => void;
  /** Aborted to give up the proof. */
  readonly stop?: AbortSignal;
}

export interface KilledRunProof {
  /** The last step in the log at each SIGKILL; -1 before the first. */
  readonly killed_after: readonly number[];
  /** Differences from the uninterrupted run. */
  readonly differences: readonly Difference[];
}

export interface ResumeProof {
  readonly version: 1;
  readonly what: 'resume';
  readonly time: string;
  readonly config: string;
  readonly config_hash: string;
  readonly seed: number;
  /** Optimizer steps of each run. */
  readonly steps: number;
  readonly kills: number;
  readonly runs: readonly KilledRunProof[];
  /** Result files of the uninterrupted run. */
  readonly files: readonly FileDigest[];
  readonly identical: boolean;
}

export interface Verified {
  readonly proof: ResumeProof;
  /** Where the proof was written. */
  readonly file: string;
  /** Folder of the kept runs; undefined if nothing differed and they were deleted. */
  readonly kept: string | undefined;
}

/** Maximum kills of one run; further ones go to another run. */
const MAX_KILLS = 3;
/** Logs every step, so that the step at each kill is known. */
const LOG_EVERY_STEP = ['--set', 'training.log_every=1'];

/**
 * Runs the proof and writes it. Keeps the runs only if they differ.
 * @throws UserError (exit 1, 2, 4 or 5) with its error messages if a run fails
 * @throws UserError (exit 130) if `stop` is aborted
 */
export async function verifyResume(options: VerifyResumeOptions): Promise<Verified> {
  makeOutputFolder(options.output);
  const folder = mkdtempSync(join(tmpdir(), 'cellrun-verify-'));
  let isKept = false;
  try {
    const proof = await prove(options, folder);
    isKept = !proof.identical;
    return { proof, file: writeProof(options, proof), kept: isKept ? folder : undefined };
  } finally {
    if (!isKept) rmSync(folder, { recursive: true, force: true });
  }
}

/** Writes the runs under `folder`. */
async function prove(options: VerifyResumeOptions, folder: string): Promise<ResumeProof> {
  const { config, flags, program, seed, started, note, stop } = options;
  const args = ['run', config, ...flags, ...LOG_EVERY_STEP];
  const straight = await finish(program, [...args, '--output', join(folder, 'straight')], stop);
  note(`not killed: ${counted(straight.steps, 'step')}`);
  const random = RandomStream.of(seed, 'verify/resume');
  const runs: KilledRunProof[] = [];
  for (let left = options.kills; left > 0; ) {
    const moments = killMoments(random, straight, Math.min(left, MAX_KILLS));
    const killed = await runAndKill(program, args, join(folder, `killed-${runs.length + 1}`), moments, {
      stop,
    });
    const differences = compareRuns(straight.directory, killed.directory);
    runs.push({ killed_after: killed.killedAfter, differences });
    note(
      `killed after ${stepsInWords(killed.killedAfter)}: ${differences.length === 0 ? 'identical' : 'DIFFERENT'}`,
    );
    left -= moments.length;
  }
  return {
    version: 1,
    what: 'resume',
    time: started.toISOString(),
    config,
    config_hash: straight.config_hash,
    seed,
    steps: straight.steps,
    kills: runs.reduce((total, run) => total + run.killed_after.length, 0),
    runs,
    files: resultDigests(straight.directory),
    identical: runs.every(({ differences }) => differences.length === 0),
  };
}

/** Random steps and random moments within them: while a step is computed, saved or logged. */
function killMoments(random: RandomStream, { steps, ms_per_step }: Summary, count: number): KillMoment[] {
  const moments = Array.from({ length: count }, () => ({
    step: random.integer(steps),
    delay: random.uniform() * (ms_per_step ?? 0),
  }));
  return moments.sort((a, b) => a.step - b.step);
}

function stepsInWords(steps: readonly number[]): string {
  if (steps.length === 0) return 'its end';
  return `step ${steps.map(step => Math.max(0, step)).join(', ')}`;
}
