import '../support/quick.js';
/** Completions: the keys of valid configs are offered where they are, and only what fits. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { completionsAt } from '../../src/config/completion.js';
import { packageRoot } from '../../src/util/root.js';

const configs = join(packageRoot, 'configs');

t.test('every key of the configs is offered where it is', async t => {
  let count = 0;
  for (const file of readdirSync(configs).filter(name => name.endsWith('.yaml'))) {
    const text = readFileSync(join(configs, file), 'utf8');
    for (const { index, 0: line, 1: indent, 2: key } of text.matchAll(/^( *)([a-z_]+):.*$/gm)) {
      const start = index + indent.length;
      // as it is while the key is typed
      const typed = text.slice(0, start + 1) + text.slice(index + line.length);
      const { from, items } = completionsAt(typed, start + 1);
      t.equal(from, start);
      const offered = items.map(({ text }) => text);
      t.ok(offered.includes(`${key}: `), `${file}: ${key} is among ${offered.join()}`);
      count++;
    }
  }
  t.ok(count > 300, String(count));
});

t.test('only what fits is offered', async t => {
  const offered = (text: string) => {
    const at = text.indexOf('|');
    const { items } = completionsAt(text.replace('|', ''), at);
    return items.map(one => one.text);
  };
  t.same(offered('model:\n  hid|'), ['hidden_size: ']);
  t.same(offered('model:\n  bidirectional: |'), ['true', 'false']);
  t.same(offered('model:\n  cell: g|\n  hidden_size: 3'), ['gru']);
  t.same(offered('optimizer: { kind: adamw, b|'), ['betas: ']);
  t.same(offered('optimizer: { kind: adamw, betas: [0.9, 0.99], b| }'), []);
  t.same(offered('loss: { kind: cross_| }'), ['cross_entropy']);
  t.same(offered('dataset:\n  kind: csv\n  sequence: { g|'), ['group: ']);
  const keys = offered('dataset:\n  kind: audio\n  |');
  t.ok(keys.includes('pattern: ') && !keys.includes('horizon: '), keys.join());
  t.ok(offered('|').includes('dataset: '));
  t.ok(offered('dataset: {\n|').length > 0, 'other lines may be wrong');
  t.same(offered('model:\n  layers:\n    - cell: gr|'), ['gru']);
  t.same(offered('model:\n  layers:\n    - cell: gru\n      hidden|'), ['hidden_size: ']);
  t.same(offered('model:\n  layers:\n  - cell: gru\n    hidden|'), ['hidden_size: ']);
  t.same(offered('model:\n  layers:\n    - { cell: gru, hidden|'), ['hidden_size: ']);
  t.same(offered('model: { layers: [{ cell: lstm }, { ce|'), ['cell: ']);
  t.same(offered('gates:\n  - met|'), ['metric: ']);
  t.same(offered('gates:\n  - { metric: test.loss, mi|'), ['min: ']);
  t.same(offered('# mo|'), []);
  t.same(offered('nothing:\n  |'), []);
});
