/**
 * Proves on this machine that runs of a config survive SIGKILL: they are killed in the middle of
 * training, saving and logging, resumed, and compared byte by byte with a run that never was.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Summary } from '../experiment/summary.js';
import { RandomStream } from '../util/random.js';
import { counted } from '../util/words.js';
import { compareRuns, type Difference, type FileDigest, resultDigests } from './compare-runs.js';
import { finish, type KillMoment, type Program, runAndKill } from './killing.js';
import { makePlace, writeProof } from './proof.js';

export interface VerifyResumeOptions {
  readonly config: string;
  /** How this program is started. */
  readonly program: Program;
  /** Flags of the runs, such as `--set` and `--backend`. */
  readonly flags: readonly string[];
  /** How often to kill, all runs together. */
  readonly kills: number;
  /** Decides when. */
  readonly seed: number;
  /** The output root; the proof is written under it. */
  readonly output: string;
  readonly started: Date;
  readonly note: (text: string) => void;
  /** Aborted where the proof is to be given up. */
  readonly stop?: AbortSignal;
}

export interface KilledRunProof {
  /** The last step in the log when each SIGKILL came; -1 before the first. */
  readonly killed_after: readonly number[];
  /** From the run that was not killed. */
  readonly differences: readonly Difference[];
}

export interface ResumeProof {
  readonly version: 1;
  readonly what: 'resume';
  readonly time: string;
  readonly config: string;
  readonly config_hash: string;
  readonly seed: number;
  /** Optimizer steps of a run. */
  readonly steps: number;
  readonly kills: number;
  readonly runs: readonly KilledRunProof[];
  /** Of the run that was not killed. */
  readonly files: readonly FileDigest[];
  readonly identical: boolean;
}

export interface Verified {
  readonly proof: ResumeProof;
  /** Where the proof was written. */
  readonly file: string;
  /** Where the runs are kept; undefined where nothing differed and they are gone. */
  readonly kept: string | undefined;
}

/** Kills of one run at most; the next goes to another. */
const MAX_KILLS = 3;
/** Every step is logged, so that it is known where a run is when it is killed. */
const LOG_EVERY_STEP = ['--set', 'training.log_every=1'];

/**
 * Throws UserError where a run fails, with what it complained of, or the proof is given up; no runs
 * are kept then.
 */
export async function verifyResume(options: VerifyResumeOptions): Promise<Verified> {
  makePlace(options.output);
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

/** The runs lie under `folder`. */
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

/** At any step, and at any moment of it: while it is computed, saved or logged. */
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
