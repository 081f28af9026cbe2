/**
 * `npm run soak`: the long form of test/train/faults.test.ts, test/data/fuzz.test.ts and
 * test/train/kills.test.ts. One table of figures on stdout, progress and what failed on stderr.
 * Exit codes: 0, 1 on any failure, 2 for wrong arguments.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { formatDiagnostics } from '../src/cli/terminal/diagnostics.js';
import { EXIT, UserError } from '../src/util/errors.js';
import { renderTable } from './bench/table.js';
import { HELP, parseOptions } from './soak/options.js';
import { type Figures, runs } from './soak/parts.js';

const HEAD = ['', 'cases', 'failed', 'slowest ms', 'peak MiB', ''];

async function main(args: readonly string[]): Promise<number> {
  const options = parseOptions(args);
  if (options.help) {
    process.stdout.write(HELP);
    return EXIT.done;
  }
  const folder = mkdtempSync(join(tmpdir(), 'cellrun-soak-'));
  const rows: string[][] = [];
  let failed = 0;
  try {
    for (const part of options.parts) {
      for await (const figures of runs[part](options, folder)) {
        tell(`${part}: ${figures.what}`, figures);
        failed += figures.failed;
        rows.push(rowOf(`${part}: ${figures.what}`, figures));
      }
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  process.stdout.write(renderTable({ head: HEAD, rows }, false));
  return failed > 0 ? EXIT.unexpected : EXIT.done;
}

function tell(what: string, { cases, failed, failures }: Figures): void {
  process.stderr.write(`${what}: ${cases} cases, ${failed} failed\n`);
  for (const failure of failures.slice(0, 10)) process.stderr.write(`  ${failure}\n`);
}

function rowOf(what: string, { cases, failed, slowestMs, peakMb, note }: Figures): string[] {
  const rounded = (value: number | undefined) => (value === undefined ? '' : value.toFixed(0));
  return [what, String(cases), String(failed), rounded(slowestMs), rounded(peakMb), note];
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  if (!(error instanceof UserError)) throw error;
  process.stderr.write(formatDiagnostics(error.diagnostics, { color: false }));
  process.exitCode = error.exitCode;
}
