/** Feeds a reader with damaged input: it may refuse it as a user's error, or take it; anything else is a failure, and so is taking long. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { formatDiagnostics } from '../../src/cli/diagnostics.js';
import { EXIT, UserError } from '../../src/errors.js';
import { RandomStream } from '../../src/random.js';
import { jsonConfigs, setArguments, yamlConfigs } from './fuzz-configs.js';
import { csvFiles } from './fuzz-csv.js';
import { idxFiles, idxGzipFiles, npzFiles } from './fuzz-data.js';
import { runDirectories } from './fuzz-run-directory.js';
import { checkpointFiles, jsonFiles, logFiles, safetensorsFiles } from './fuzz-run-files.js';
import type { FuzzRead, FuzzTarget } from './fuzz-target.js';

export const TARGETS: readonly FuzzTarget[] = [
  yamlConfigs,
  jsonConfigs,
  setArguments,
  npzFiles,
  idxFiles,
  idxGzipFiles,
  csvFiles,
  safetensorsFiles,
  checkpointFiles,
  logFiles,
  jsonFiles,
  runDirectories,
];

export interface FuzzReport {
  readonly target: string;
  readonly cases: number;
  /** How many were taken for good, and how many refused. */
  readonly accepted: number;
  readonly refused: number;
  /** How often something went wrong, and the first few in words. */
  readonly failed: number;
  readonly failures: readonly string[];
  /** Processor time of the slowest case. */
  readonly slowestMs: number;
  /** Largest resident set of the process so far, MiB; NaN where the system does not tell. */
  readonly peakMb: number;
}

/** No case may take longer. */
const LIMIT_MS = 1000;
/** Nobody reads more characters than this, all complaints together. */
const MAX_TEXT = 100_000;
const MOST_SHOWN = 20;

/** Cases `from` to `from + count`; each is the same whatever the others are. */
export async function fuzz(target: FuzzTarget, seed: number, count: number, from = 0): Promise<FuzzReport> {
  const folder = mkdtempSync(join(tmpdir(), 'cellrun-fuzz-'));
  try {
    const cases = await target.open(folder);
    const tally = { accepted: 0, refused: 0, failed: 0, slowestMs: 0 };
    const failures: string[] = [];
    for (let number = from; number < from + count; number++) {
      const read = cases(RandomStream.of(seed, `fuzz/${target.name}/${number}`));
      const began = process.cpuUsage();
      const outcome = await attempt(read);
      const { user, system } = process.cpuUsage(began);
      const ms = (user + system) / 1000;
      tally.slowestMs = Math.max(tally.slowestMs, ms);
      const complaint = ms > LIMIT_MS ? `took ${Math.round(ms)} ms` : outcome;
      if (complaint === 'accepted' || complaint === 'refused') tally[complaint]++;
      else if (++tally.failed <= MOST_SHOWN) failures.push(`case ${number}: ${complaint}`);
    }
    return { target: target.name, cases: count, ...tally, failures, peakMb: peakMemory() };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** `accepted`, `refused`, or what went wrong. */
async function attempt(read: FuzzRead): Promise<string> {
  try {
    await read();
    return 'accepted';
  } catch (error) {
    if (!(error instanceof UserError))
      return error instanceof Error ? (error.stack ?? error.message) : String(error);
    if (error.exitCode !== EXIT.usage && error.exitCode !== EXIT.damaged)
      return `exit code ${error.exitCode}: ${error.message}`;
    if (error.diagnostics.length === 0) return 'refused without a word';
    const text = formatDiagnostics(error.diagnostics, { color: false });
    return text.length > MAX_TEXT ? `refused with ${text.length} characters` : 'refused';
  }
}

/** Of this process alone; what getrusage says begins with its parent's. Linux only. */
function peakMemory(): number {
  try {
    const [, kilobytes] = /VmHWM:\s+(\d+) kB/.exec(readFileSync('/proc/self/status', 'utf8')) ?? [];
    return Number(kilobytes ?? Number.NaN) / 1024;
  } catch {
    return Number.NaN;
  }
}
