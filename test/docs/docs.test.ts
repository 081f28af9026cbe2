/**
 * Every command and every config of the documents works, every link leads somewhere, and the
 * reference is current. `node dist/test/docs/docs.test.js PAGE...` follows these pages alone.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import t from 'tap';
import { packageRoot } from '../../src/util/root.js';

import { Workplace } from '../support/cli.js';
import { anchorsOf, blocksOf, Document, linksOf } from './documents.js';
import { generatedPages } from './generated.js';

const read = (path: string): string => readFileSync(join(packageRoot, path), 'utf8');

const docs = readdirSync(join(packageRoot, 'docs'), { recursive: true, encoding: 'utf8' })
  .filter(path => path.endsWith('.md') && !path.startsWith('.vitepress'))
  .map(path => `docs/${path}`)
  .toSorted();
const pages = ['README.md', 'CONTRIBUTING.md', ...docs];

t.test('generated texts are what schemas, command line and measurements say', async t => {
  for (const [path, text] of Object.entries(generatedPages()))
    t.ok(read(path) === text, `${path}: run \`node dist/test/docs/generate.js\``);
});

t.test('links lead somewhere', async t => {
  for (const page of pages) {
    const anchors = anchorsOf(read(page));
    t.same(
      anchors.filter((anchor, i) => anchors.indexOf(anchor) !== i),
      [],
      `${page}: headings of one name`,
    );
    for (const link of linksOf(read(page)).filter(link => !/^[a-z]+:/.test(link))) {
      const [path, anchor] = link.split('#');
      const target = path === '' ? page : join(dirname(page), path);
      if (!existsSync(join(packageRoot, target))) t.fail(`${page}: ${link}`);
      else if (anchor !== undefined && !anchorsOf(read(target)).includes(anchor))
        t.fail(`${page}: no heading ${link}`);
    }
  }
});

t.test('lines fit a reader', async t => {
  const readme = read('README.md').split('\n');
  t.ok(readme.length < 200, `README.md has ${readme.length} lines`);
  t.same(
    readme.filter(line => line.length >= 120),
    [],
  );
});

const wanted = process.argv.slice(2);
for (const page of wanted.length > 0 ? wanted : pages) {
  const blocks = blocksOf(read(page));
  if (blocks.length === 0) continue;
  t.test(`${page} can be followed`, async t => {
    const work = new Workplace();
    t.teardown(() => work.remove());
    const document = new Document(work);
    const before = /^<!-- follows (\S+) -->$/m.exec(read(page))?.[1];
    if (before !== undefined) document.writeFiles(read(join(dirname(page), before)));
    for (const block of blocks) {
      const place = `${page}:${block.line}`;
      await document.check(block).then(
        () => t.pass(place),
        error => t.fail(`${place}: ${error instanceof Error ? error.message : error}`),
      );
    }
  });
}
