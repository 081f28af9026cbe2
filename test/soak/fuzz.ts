/**
 * Feeds a reader with damaged input: it may refuse it as a user's error, or take it; anything else
 * is a failure, and so is much work.
 */
import { readFileSync, rmSync } from 'node:fs';
import { formatDiagnostics } from '../../src/cli/terminal/diagnostics.js';
import { EXIT, UserError } from '../../src/util/errors.js';
import { RandomStream } from '../../src/util/random.js';
import type { StepCounter } from '../support/steps.js';
import { temporaryFolder } from '../support/temporary-folder.js';
import { jsonConfigs, setArguments, yamlConfigs } from './fuzz-configs.js';
import { csvFiles } from './fuzz-csv.js';
import { idxFiles, idxGzipFiles, npyFiles, npzFiles } from './fuzz-data.js';
import { csvInputs, idxInputs, npzInputs } from './fuzz-inputs.js';
import { parquetFiles } from './fuzz-parquet.js';
import { runDirectories } from './fuzz-run-directory.js';
import { checkpointFiles, jsonFiles, logFiles, safetensorsFiles } from './fuzz-run-files.js';
import type { FuzzRead, FuzzTarget } from './fuzz-target.js';
import { forecastFiles, jsonlFiles, textFiles } from './fuzz-text.js';

export const TARGETS: readonly FuzzTarget[] = [
  yamlConfigs,
  jsonConfigs,
  setArguments,
  npzFiles,
  npyFiles,
  idxFiles,
  idxGzipFiles,
  csvFiles,
  csvInputs,
  parquetFiles,
  npzInputs,
  idxInputs,
  jsonlFiles,
  textFiles,
  forecastFiles,
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

/** Cases whose steps are counted together, since asking for them takes longer than some cases. */
const COUNTED_TOGETHER = 10;
/**
 * More than so many cases may take together. A case takes some ten thousand, and 400,000 at most.
 */
const MAX_STEPS = 5_000_000;
/** Nobody reads more characters than this, all complaints together. */
const MAX_TEXT = 100_000;
const MAX_SHOWN = 20;

/**
 * Cases `from` to `from + count`; each is the same whatever the others are. Those that take too
 * many of `steps` are failures.
 */
export async function fuzz(
  target: FuzzTarget,
  seed: number,
  count: number,
  { from = 0, steps }: { readonly from?: number; readonly steps?: StepCounter } = {},
): Promise<FuzzReport> {
  const folder = temporaryFolder();
  try {
    const cases = await target.open(folder);
    const tally = { accepted: 0, refused: 0, failed: 0, slowestMs: 0 };
    const failures: string[] = [];
    const fail = (what: string) => {
      if (++tally.failed <= MAX_SHOWN) failures.push(what);
    };
    await steps?.take();
    for (let number = from; number < from + count; number++) {
      const read = cases(RandomStream.of(seed, `fuzz/${target.name}/${number}`));
      const began = process.cpuUsage();
      const outcome = await attempt(read);
      const { user, system } = process.cpuUsage(began);
      tally.slowestMs = Math.max(tally.slowestMs, (user + system) / 1000);
      if (outcome === 'accepted' || outcome === 'refused') tally[outcome]++;
      else fail(`case ${number}: ${outcome}`);
      const done = number + 1 - from;
      if (done % COUNTED_TOGETHER > 0 && done < count) continue;
      const taken = (await steps?.take()) ?? 0;
      if (taken > MAX_STEPS)
        fail(`case ${number} or one of the ${COUNTED_TOGETHER - 1} before it: took ${taken} steps`);
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
