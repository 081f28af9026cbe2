/** CoNLL, CoNLL-U of treebanks and `.ts` of the UCR and UEA archives, read as tables. */

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import type { DatasetConfig } from '../../src/data/index.js';
import { complaints, fixture, open, sequence } from '../support/data-files.js';

const TREEBANK = {
  kind: 'conllu',
  features: ['form'],
  input_kind: 'symbol',
  target: 'upos',
  target_kind: 'class',
  sequence: { group: 'sentence', per_step: true },
} as const;

const ARCHIVE = {
  kind: 'ts',
  features: ['x1', 'x2', 'x3', 'x4', 'x5', 'x6'],
  target: 'class',
  target_kind: 'class',
  sequence: { group: 'case' },
} as const;

const SENTENCES = fixture('../tables/sentences.conllu');

t.test('the words and tags of a treebank', async t => {
  const data = await open({ ...TREEBANK, path: SENTENCES, test_path: SENTENCES });
  // each sentence has its text in a comment; words of several tokens and empty nodes are not in it
  const lines = readFileSync(SENTENCES, 'utf8').split('\n');
  const texts = lines.flatMap(line => /^# text = (.*)$/.exec(line)?.[1] ?? []);
  const all = Array.from({ length: data.train.count }, (_, i) => i);
  t.same(
    all.map(i => data.train.symbols?.(i).join(' ')),
    texts,
  );
  t.same(
    all.map(i => data.train.id?.(i)),
    lines.flatMap(line => /^# sent_id = (.*)$/.exec(line)?.[1] ?? []),
  );
  const { targets } = data.train;
  const tags = ['DET', 'ADJ', 'NOUN', 'VERB', 'DET', 'NOUN', 'ADV', 'PUNCT'];
  t.same(
    Array.from(targets.values.subarray(0, tags.length), code => data.classLabels?.[code]),
    tags,
  );
});

t.test('sentences without names, underscores and Windows line ends', async t => {
  const folder = join(t.testdir(), 'bank');
  mkdirSync(folder);
  const word = (id: number, form: string, upos: string) => `${id}\t${form}\t_\t${upos}${'\t_'.repeat(6)}\r\n`;
  for (const name of ['a', 'b'])
    writeFileSync(
      join(folder, `${name}.conllu`),
      `\r\n${word(1, '_', 'SYM')}${word(2, '"', '_')}\r\n\r\n# sent_id = ${name} 2\r\n${word(1, 'it', 'PRON')}`,
    );
  const data = await open({ ...TREEBANK, path: folder, test_path: join(folder, 'a.conllu') });
  t.same(
    [0, 1, 2, 3].map(i => [data.train.id?.(i), data.train.symbols?.(i)]),
    [
      ['a.conllu:2', ['_', '"']],
      ['a 2', ['it']],
      ['b.conllu:2', ['_', '"']],
      ['b 2', ['it']],
    ],
  );
  const [symbol, missing] = data.train.targets.values;
  t.same([data.classLabels?.[symbol], missing], ['SYM', -100]);
});

t.test('words in lines, with blank lines between sentences', async t => {
  const folder = t.testdir();
  const read = async (name: string, content: string, more: object = {}) => {
    const path = join(folder, name);
    writeFileSync(path, content);
    const { train } = await open({
      ...{ kind: 'csv', path, test_path: path, features: ['word'], input_kind: 'symbol', target: 'tag' },
      ...{ target_kind: 'class', sequence: { blank_lines: true, per_step: true }, ...more },
    } as DatasetConfig);
    return Array.from({ length: train.count }, (_, i) => [train.id?.(i), train.symbols?.(i).join(' ')]);
  };
  const column_names = ['word', 'pos', 'tag'];
  // as of CoNLL-2003
  const spaces = '-DOCSTART- -X- O\n\nU.N. NNP B-ORG\n" " O\n\n\n# 2\nPeter  NNP\tB-PER\n, , O\n# # O\n';
  t.same(await read('a.txt', spaces.replace('\t', '  '), { column_names }), [
    ['a.txt:3', 'U.N. "'],
    ['a.txt:8', 'Peter , #'],
  ]);
  t.same(await read('b.tsv', 'word\ttag\r\n\r\nNew York\tLOC\r\n \r\nit\tO\r\n'), [
    ['b.tsv:3', 'New York'],
    ['b.tsv:5', 'it'],
  ]);
  t.same(await read('c.csv', 'word,tag\na,X\nb,Y\n\nb,X\n'), [
    ['c.csv:2', 'a b'],
    ['c.csv:5', 'b'],
  ]);
  const short = await complaints(5, () => read('d.csv', 'a X Y\n\nb X\n', { column_names }));
  t.same(short, [
    'data/csv-ragged 3:1+3 | the row has too few fields | expected 3, as in the first line | got 2',
  ]);
  const narrow = await complaints(5, () => read('e.csv', 'a X\n', { column_names }));
  t.match(narrow.join(), /data\/csv-column-names 1:1.*expected 3/);
  t.match((await complaints(5, () => read('f.csv', '\n\n'))).join(), /data\/csv-empty.*the file is empty/);
});

t.test('the steps and classes of cases', async t => {
  const text = readFileSync(fixture('../tables/motions.ts.txt'), 'utf8');
  const path = join(t.testdir(), 'motions.ts');
  writeFileSync(path, text);
  const data = await open({ ...ARCHIVE, path, test_path: path });
  // six dimensions with colons between them, then the class
  const cases = text.split('\n').flatMap((line, i) => (/^[-\d]/.test(line) ? [{ line, number: i + 1 }] : []));
  t.equal(data.train.count, cases.length);
  for (const [i, { line, number }] of cases.entries()) {
    const [label, ...dimensions] = line.split(':').toReversed();
    const numbers = dimensions.toReversed().map(cells => cells.split(',').map(Number));
    const steps = numbers[0].map((_, step) => numbers.map(values => Math.fround(values[step])));
    t.same(sequence(data, data.train, i), steps);
    t.equal(data.classLabels?.[Array.from(data.train.targets.values)[i]], label);
    t.equal(data.train.id?.(i), `motions.ts:${number}`);
  }
});

t.test('one dimension, numbers to predict, missing values', async t => {
  const path = join(t.testdir(), 'heights.ts');
  const lines = ['# heights', '@univariate true', '@targetlabel true', '@data', '1,?,3:0.5', '4,5:?', '6:1'];
  writeFileSync(path, `${lines.join('\n')}\n`);
  const data = await open({
    ...{ kind: 'ts', path, features: ['x'], target: 'value', target_kind: 'value' },
    ...{ sequence: { group: 'case' }, missing: { fill: 'forward' }, test_fraction: 0.4 },
  } as const);
  const found = [data.train, data.test].flatMap(split =>
    Array.from({ length: split.count }, (_, i) => [
      split.id?.(i),
      sequence(data, split, i).slice(0, split.lengths?.[i]).flat(),
      Array.from(split.targets.values)[i],
    ]),
  );
  // a case without a number is in no split
  t.same(found.toSorted(), [
    ['heights.ts:5', [1, 1, 3], 0.5],
    ['heights.ts:7', [6], 1],
  ]);
});

t.test('damaged files', async t => {
  const folder = t.testdir();
  const of = async (kind: 'conllu' | 'ts', content: string) => {
    const path = join(folder, `x.${kind}`);
    writeFileSync(path, content);
    const config = kind === 'ts' ? { ...ARCHIVE, features: ['x1'] } : TREEBANK;
    return (await complaints(5, () => open({ ...config, path, test_fraction: 0.5 }))).join('\n');
  };
  t.match(await of('conllu', '1\tthe\t_\tDET\n'), /data\/conllu 1:1\+11 .*a word of CoNLL-U has 10 fields/);
  t.match(await of('conllu', `1${'\t_'.repeat(9)}\n2${'\t_'.repeat(10)}\n`), /data\/conllu 2:1/);
  t.match(await of('ts', '@classlabel true a b\n'), /data\/ts .*the file has no line @data/);
  t.match(await of('ts', '@timestamps true\n@data\n(0,1):a\n'), /data\/ts 1:1.*times of their own/);
  const head = '@classlabel true a b\n@data\n';
  t.match(await of('ts', `${head}1:2:a\n1:b\n`), /data\/ts 4:1.*another number of dimensions/);
  t.match(await of('ts', `${head}1,2:2:a\n`), /data\/ts 3:1.*the dimensions of the case differ in length/);
  t.match(await of('ts', `${head}1,z:1,1:a\n1,2:1,1:b\n`), /data\/csv-number 3:1.*got "z"/);
});
