/**
 * `npm run bench`: how fast the program is, as ratios to others that were measured in turns with
 * it. Results go to stdout, progress to stderr. Exit codes: 0, 1 where --check found a regression
 * or measuring failed.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { EXIT } from '../../src/util/errors.js';
import { runBench } from './bench.js';
import { HELP, parseOptions } from './options.js';
import { readResults } from './results.js';
import { caseTable, checkText, figureTable, noteText, renderTable, targetTable } from './table.js';
import { compare, judge } from './targets.js';

async function main(args: readonly string[]): Promise<number> {
  const options = parseOptions(args);
  if (options.help) {
    process.stdout.write(HELP);
    return EXIT.done;
  }
  // a baseline that can't be read is told before minutes of measuring
  const baseline = options.check === undefined ? undefined : readResults(options.check);
  const results = await runBench(options, text => process.stderr.write(`${text}\n`));
  const { machine, versions } = results;
  const out = (text: string) => process.stdout.write(text);
  out(`${machine.cpu}, ${machine.cores} cores; ${results.rounds} rounds in turns; `);
  out(
    `${Object.entries(versions)
      .map(entry => entry.join(' '))
      .join(', ')}\n\n`,
  );
  if (results.rows.length > 0) out(`${renderTable(caseTable(results), options.markdown)}\n`);
  if (results.figures.length > 0) out(`${renderTable(figureTable(results.figures), options.markdown)}\n`);
  out(`${renderTable(targetTable(judge(results)), options.markdown)}\n${noteText(results)}`);
  if (options.json !== undefined) {
    mkdirSync(dirname(options.json), { recursive: true });
    writeFileSync(options.json, `${JSON.stringify(results, null, 1)}\n`);
  }
  if (!baseline) return EXIT.done;
  if (baseline.machine.cpu !== machine.cpu)
    out(`- the baseline is from another processor: ${baseline.machine.cpu}\n`);
  const check = compare(baseline, results, options);
  out(checkText(check));
  // a machine that nobody keeps quiet may be too busy to say anything
  const saysNothing = check.compared === 0 && !(options.loosely && check.noisy.length > 0);
  return check.regressions.length > 0 || saysNothing ? EXIT.unexpected : EXIT.done;
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  process.stderr.write(`bench: ${(error as Error).message}\n`);
  process.exitCode = EXIT.unexpected;
}
