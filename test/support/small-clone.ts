/** A clone of the repository with a small program, which builds in a second. */
import { cpSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { packageRoot } from '../../src/util/root.js';

const COPIED = [
  ...['run', 'package.json', 'package-lock.json', 'tsconfig.json'],
  ...['find.sh', 'exec', 'package.json', 'package-lock.json'].map(name => `tools/node/${name}`),
];

/** No schemas and no pages to build. */
const WRITTEN = {
  'src/cli/main.ts':
    "process.stdout.write([process.cwd(), process.argv.slice(2).join('|')].join(' ') + '\\n');\n",
  'src/build/bundle.ts':
    "import { cpSync } from 'node:fs';\ncpSync('dist/src/cli', 'dist/bundle/cli', { recursive: true });\n",
  'src/build/packed-readme.ts': "process.stderr.write('README: ' + process.argv[2] + '\\n');\n",
};

export function smallClone(root: string): string {
  for (const file of COPIED) cpSync(join(packageRoot, file), join(root, file));
  for (const [file, text] of Object.entries(WRITTEN)) {
    mkdirSync(dirname(join(root, file)), { recursive: true });
    writeFileSync(join(root, file), text);
  }
  mkdirSync(join(root, 'schemas'));
  return root;
}
