/**
 * `npm run check`: comments are at most 100 columns wide. Prints `FILE:LINE` for each line that is
 * wider; exit code 1 if there is one. Biome formats code, but not comments.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../src/util/root.js';

const MAX_COLUMNS = 100;
/** Lines that are a comment or part of one; a comment behind code is left to the formatter. */
const COMMENT = /^\s*(\/\/|\/\*|\*)/;
/** Directives of tools cannot be wrapped. */
const DIRECTIVE = /biome-ignore|@ts-expect-error|https?:\/\//;
const FIXTURES = /^test\/fixtures\//;

const wide = ['src', 'test'].flatMap(folder =>
  readdirSync(join(packageRoot, folder), { recursive: true, encoding: 'utf8' })
    .map(file => `${folder}/${file}`)
    .filter(file => /\.tsx?$/.test(file) && !FIXTURES.test(file))
    .flatMap(file =>
      readFileSync(join(packageRoot, file), 'utf8')
        .split('\n')
        .flatMap((line, i) =>
          line.length > MAX_COLUMNS && COMMENT.test(line) && !DIRECTIVE.test(line)
            ? [`${file}:${i + 1}`]
            : [],
        ),
    ),
);
for (const place of wide) process.stdout.write(`${place}: a comment is wider than ${MAX_COLUMNS} columns\n`);
process.exitCode = wide.length > 0 ? 1 : 0;
