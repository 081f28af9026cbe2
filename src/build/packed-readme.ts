/**
 * Development tool: the README of the npm package, made from the one of the repository. `npm pack`
 * calls it with `write` before it packs, and with `restore` afterwards.
 */
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { packageRoot } from '../util/root.js';

/** Targets of links that the package contains. */
const PACKED = /^(https?:|#|docs\/[\w/-]+\.md|configs\/|schemas\/|LICENSE$)/;

/**
 * Parts between `<!-- clone -->` and `<!-- end clone -->` are left out, and comments that begin
 * with `package` are text. Commands start with npx. Links to files not packed become text.
 */
export function packedReadme(text: string): string {
  return text
    .replaceAll(/<!-- clone -->\n[\s\S]*?<!-- end clone -->\n/g, '')
    .replaceAll(/<!-- package\n([\s\S]*?)-->\n/g, '$1')
    .replaceAll(/^(```\w+) .*$/gm, '$1')
    .replaceAll('./run', 'npx cellrun')
    .replaceAll(/(?<=[\s`])configs\//g, 'node_modules/cellrun/configs/')
    .replaceAll(/!?\[([^\]]*)\]\(([^)\s]*)\)/g, (link, label, target) =>
      PACKED.test(target) ? link : label,
    );
}

function main(task: string | undefined): void {
  const readme = join(packageRoot, 'README.md');
  const original = join(packageRoot, 'dist', 'README.md');
  if (task === 'restore') {
    if (existsSync(original)) renameSync(original, readme);
    return;
  }
  // one that is there was left by a pack that was interrupted
  const text = readFileSync(existsSync(original) ? original : readme, 'utf8');
  writeFileSync(original, text);
  writeFileSync(readme, packedReadme(text));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) main(process.argv[2]);
