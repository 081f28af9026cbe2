/** Test files that have more cases than `npm test` runs, with all of them. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../../src/util/root.js';
import { LONG } from '../support/long.js';
import { countsOf, failuresOnly, runFile } from '../support/test-files.js';
import type { Figures } from './figures.js';

/** A driver of software Vulkan alone may compile kernels for ten minutes. */
const TIMEOUT_S = 3600;

const sources = join(packageRoot, 'test');

export async function* longTests(signal: AbortSignal): AsyncGenerator<Figures> {
  const files = readdirSync(sources, { recursive: true, encoding: 'utf8' }).filter(
    file =>
      file.endsWith('.test.ts') && /\/support\/long\.js'/.test(readFileSync(join(sources, file), 'utf8')),
  );
  for (const file of files.sort()) {
    const path = join('dist', 'test', file.replace(/ts$/, 'js'));
    const result = await runFile(path, signal, LONG, TIMEOUT_S);
    const failures = result.isOk ? [] : [failuresOnly(result, 1)];
    yield { what: file, cases: countsOf(result.output).total, failures };
  }
}
