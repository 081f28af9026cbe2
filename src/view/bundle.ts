/**
 * Development tool: bundles script and style sheet of reports and the dashboard, from the
 * browser's code in `page/`, into this file's compiled folder.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { packageRoot } from '../util/root.js';

/** Libraries in the script; each report contains them with their licences. */
const BUNDLED = ['preact'];

await build({
  absWorkingDir: packageRoot,
  entryPoints: { page: join('src', 'view', 'page', 'main.tsx') },
  outdir: fileURLToPath(new URL('.', import.meta.url)),
  tsconfig: join('src', 'view', 'page', 'tsconfig.json'),
  bundle: true,
  minify: true,
  format: 'iife',
  target: ['es2022', 'safari16'],
  charset: 'utf8',
  legalComments: 'none',
  banner: { js: `/*\n${BUNDLED.map(name => `${name}\n${licenceOf(name)}`).join('\n')}*/` },
  logLevel: 'warning',
});

function licenceOf(name: string): string {
  return readFileSync(join(packageRoot, 'node_modules', name, 'LICENSE'), 'utf8');
}
