/**
 * `npm test [-- NAME ...] [-- TAP-FLAG ...]`: runs tests with tap, all of them or those named. A
 * NAME is `resume`, `test/resume.test.ts`, or the first word of several files where none has it as
 * its name. `--quick` runs the files that import `./support/quick.js`. Exit code: that of tap, 2
 * for a name that there is not.
 */
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { packageRoot } from '../src/root.js';
import { selectTests } from './support/select-tests.js';

const sources = join(packageRoot, 'test');
// of the sources, since what an earlier build left in dist/ may have no source any more
const names = readdirSync(sources).flatMap(file =>
  file.endsWith('.test.ts') ? [basename(file, '.test.ts')] : [],
);

const args = process.argv.slice(2);
const isQuick = args.includes('--quick');
const wanted = args.filter(arg => !arg.startsWith('-'));
const flags = args.filter(arg => arg.startsWith('-') && arg !== '--quick');

const { selected, unknown } = selectTests(
  names.filter(name => !isQuick || isMarkedQuick(name)),
  wanted,
);
if (unknown.length > 0) {
  process.stderr.write(
    `no ${isQuick ? 'quick ' : ''}test is called ${unknown.join(', ')}; there are ${names.join(', ')}\n`,
  );
  process.exitCode = 2;
} else {
  const tap = join(packageRoot, 'node_modules', '.bin', 'tap');
  const files = selected.map(name => join('dist', 'test', `${name}.test.js`));
  const { status, error } = spawnSync(tap, [...flags, ...files], { cwd: packageRoot, stdio: 'inherit' });
  if (error) throw error;
  process.exitCode = status ?? 1;
}

function isMarkedQuick(name: string): boolean {
  return /^import '\.\/support\/quick\.js';$/m.test(readFileSync(join(sources, `${name}.test.ts`), 'utf8'));
}
