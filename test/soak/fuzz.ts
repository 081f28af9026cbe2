/**
 * Feeds a reader with damaged input: it may refuse it as a user's error, or take it; anything else
 * is a failure, and so is much work.
 */
import { readFileSync, rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { formatDiagnostics } from '../../src/cli/terminal/diagnostics.js';
import { EXIT, UserError } from '../../src/util/errors.js';
import { RandomStream } from '../../src/util/random.js';
import { execute } from '../support/programs.js';
import type { StepCounter } from '../support/steps.js';
import { temporaryFolder } from '../support/temporary-folder.js';
import type { Figures } from './figures.js';
import { audioFiles, audioInputs } from './fuzz-audio.js';
import { jsonConfigs, setArguments, yamlConfigs } from './fuzz-configs.js';
import { idxFiles, idxGzipFiles, idxInputs, npyFiles, npzFiles, npzInputs } from './fuzz-data.js';
import { checkpointFiles, jsonFiles, logFiles, runDirectories, safetensorsFiles } from './fuzz-run-files.js';
import { csvFiles, csvInputs, parquetFiles } from './fuzz-tables.js';
import type { FuzzRead, FuzzTarget } from './fuzz-target.js';
import { forecastFiles, jsonlFiles, textFiles } from './fuzz-text.js';

export const TARGETS: readonly FuzzTarget[] = [
  ...[yamlConfigs, jsonConfigs, setArguments],
  ...[npzFiles, npyFiles, idxFiles, idxGzipFiles, csvFiles, parquetFiles],
  ...[csvInputs, npzInputs, idxInputs],
  ...[jsonlFiles, textFiles, forecastFiles],
  ...[audioFiles, audioInputs],
  ...[safetensorsFiles, checkpointFiles, logFiles, jsonFiles, runDirectories],
];

export interface FuzzReport extends Figures {
  readonly accepted: number;
  readonly refused: number;
}

/** Cases whose steps are counted together, since asking for them takes longer than some cases. */
const COUNTED_TOGETHER = 10;
/** Steps of so many cases together. Most take ten thousand; texts on the disk take millions. */
const MAX_STEPS = 20_000_000;
/** Nobody reads more characters than this, all complaints together. */
const MAX_TEXT = 100_000;

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
    const tally = { accepted: 0, refused: 0, slowestMs: 0 };
    const failures: string[] = [];
    steps?.take();
    for (let number = from; number < from + count; number++) {
      const read = cases(RandomStream.of(seed, `fuzz/${target.name}/${number}`));
      const began = process.cpuUsage();
      const outcome = await attempt(read);
      const { user, system } = process.cpuUsage(began);
      tally.slowestMs = Math.max(tally.slowestMs, (user + system) / 1000);
      if (outcome === 'accepted' || outcome === 'refused') tally[outcome]++;
      else failures.push(`case ${number}: ${outcome}`);
      const done = number + 1 - from;
      if (done % COUNTED_TOGETHER > 0 && done < count) continue;
      const taken = steps?.take() ?? 0;
      if (taken > MAX_STEPS)
        failures.push(`case ${number} or one of the ${COUNTED_TOGETHER - 1} before it: took ${taken} steps`);
    }
    const note = `${tally.accepted} taken, ${tally.refused} refused`;
    return { what: target.name, cases: count, ...tally, failures, peakMb: peakMemory(), note };
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

/** MiB, of this process alone; what getrusage says begins with its parent's. Linux only. */
function peakMemory(): number {
  if (process.platform !== 'linux') return Number.NaN;
  const [, kilobytes] = /VmHWM:\s+(\d+) kB/.exec(readFileSync('/proc/self/status', 'utf8')) ?? [];
  return Number(kilobytes) / 1024;
}

const child = fileURLToPath(new URL('./fuzz-child.js', import.meta.url));

/** MiB; buffers lie outside the heap, so that both together stay below the limit. */
const HEAP_MB = 128;
const LIMIT_MB = 256;

/** In a process of its own. */
export async function boundedFuzz(what: string, seed: number, count: number, from = 0): Promise<FuzzReport> {
  const flags = [`--max-old-space-size=${HEAP_MB}`, '--max-semi-space-size=4'];
  const args = [...flags, child, what, ...[seed, count, from].map(String)];
  const finished = await execute(process.execPath, args, { cwd: process.cwd(), env: process.env });
  if (finished?.code !== 0) {
    const failures = [`the process ended: ${finished?.stderr.slice(-2000)}`];
    return { what, cases: 0, accepted: 0, refused: 0, failures };
  }
  const report = JSON.parse(finished.stdout) as FuzzReport;
  const { peakMb = 0, failures } = report;
  if (!(peakMb > LIMIT_MB)) return report;
  return { ...report, failures: [`the process took ${Math.round(peakMb)} MiB`, ...failures] };
}
