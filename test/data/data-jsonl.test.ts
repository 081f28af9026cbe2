/** Sequences from JSON Lines, to train and to predict, and files of folders and patterns. */

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import t from 'tap';
import { checkAgainstData } from '../../src/config/data-check.js';
import { loadExperiment } from '../../src/config/index.js';
import {
  type DataRecord,
  type Dataset,
  type DatasetConfig,
  isRejected,
  newSequences,
  openDataset,
  type ReadSequence,
} from '../../src/data/index.js';
import {
  asInput,
  classes,
  complaints,
  textFixture as file,
  textExpectation as json,
  TEXT_LEVELS as LEVELS,
  line,
  open,
  sequence,
} from '../support/data-files.js';
import { crossEntropy, config as smallConfig } from '../support/prediction-cases.js';
import { work } from '../support/work.js';

const records = (more: object = {}): DatasetConfig =>
  ({
    kind: 'jsonl',
    path: file('records.jsonl'),
    test_path: file('records.jsonl'),
    input: 'words',
    input_kind: 'symbol',
    target: 'class',
    target_kind: 'class',
    ...more,
  }) as DatasetConfig;

t.test('jsonl: sequences, targets and names are those that Python reads', async t => {
  const want: { id: unknown; words: unknown[]; tags: (string | null)[]; n: number[]; class: boolean }[] =
    json('expected.json').records;
  const tagged = await open(records({ target: 'tags', per_step: true, id: 'id' }));
  const symbols = tagged.vocabulary!.symbols;
  t.same(tagged.vocabulary, {
    level: null,
    symbols: ['<unk>', 'cat', '12', 'The', 'a', 'the', '\u2028sat', '\ud800'],
    // a record spells `<unk>`
    has_unknown: true,
  });
  t.same(tagged.classLabels, ['D', 'N', 'V']);
  t.equal(tagged.sequenceLength, 4);
  t.same(
    [...tagged.train.lengths!],
    want.map(({ words }) => words.length),
  );
  want.forEach(({ id, words, tags }, i) => {
    t.equal(tagged.train.id!(i), String(id));
    t.same(
      sequence(tagged, tagged.train, i)
        .flat()
        .slice(0, words.length)
        .map(symbol => symbols[symbol]),
      words.map(String),
    );
    const classOf = (tag: string | null | undefined) =>
      'DNV'.includes(tag ?? '-') ? 'DNV'.indexOf(tag!) : -100;
    t.same(
      classes(tagged.train).slice(4 * i, 4 * i + 4),
      [0, 1, 2, 3].map(step => classOf(tags[step])),
    );
  });

  const numbers = await open(records({ input: 'n', input_kind: 'number' }));
  t.same(numbers.input, { kind: 'number', size: 1 });
  want.forEach(({ n }, i) => {
    const padded = [0, 1, 2, 3].map(step => Math.fround(n[step] ?? 0));
    t.same(sequence(numbers, numbers.train, i).flat(), padded);
  });
  t.same(
    classes(numbers.train),
    want.map(({ class: label }) => Number(label)),
    'booleans are sorted as words',
  );

  const path = join(t.testdir(), 'a.jsonl');
  const rows = [
    {
      x: [
        [1, 2],
        [3, 4],
      ],
      y: [5, 6],
      text: 'a b',
    },
    { x: [[7, 8]], y: [9, 10], text: 'b 🥊b' },
  ];
  writeFileSync(path, rows.map(row => JSON.stringify(row)).join('\n'));
  const values = await open({
    ...records({ input: 'x', input_kind: 'number', target: 'y', target_kind: 'value' }),
    path,
    test_path: path,
  } as DatasetConfig);
  t.same(values.input, { kind: 'number', size: 2 });
  t.match(values.train.targets, { kind: 'value', size: 2, values: [5, 6, 9, 10] });
  t.same(sequence(values, values.train, 1), [
    [7, 8],
    [0, 0],
  ]);
  for (const [level, want] of [
    ['character', ['<unk>', ' ', 'b', 'a', '🥊']],
    ['word', ['<unk>', 'a', 'b', '🥊b']],
    ['byte', ['<unk>', ' ', 'b', 'a', '\x8a', '\x9f', '\xa5', '\xf0']],
  ] as const) {
    const config = records({ input: 'text', input_kind: 'text', level, target: 'y', target_kind: 'value' });
    const data = await open({ ...config, path, test_path: path } as DatasetConfig);
    t.same([...data.vocabulary!.symbols].sort(), [...want].sort(), level);
    t.equal(data.vocabulary!.level, level);
  }
});

t.test('the vocabulary is that of the sequences that train', async t => {
  const path = join(t.testdir(), 'a.jsonl');
  const lines = ['a a b', 'a b', 'a c', 'd'].map((x, i) => JSON.stringify({ x, y: i % 2, i }));
  writeFileSync(path, lines.join('\n'));
  const config = (more: object): DatasetConfig =>
    records({ path, test_path: path, input: 'x', input_kind: 'text', level: 'word', target: 'y', ...more });
  const symbolsWith = async (more: object) => (await open(config(more))).vocabulary?.symbols;
  t.same(await symbolsWith({}), ['<unk>', 'a', 'b', 'c', 'd']);
  t.same(await symbolsWith({ validation: { count: 1, select: 'last' } }), ['<unk>', 'a', 'b', 'c']);
  t.same(await symbolsWith({ limit: 2 }), ['<unk>', 'a', 'b']);
  t.same(await symbolsWith({ min_count: 2 }), ['<unk>', 'a', 'b']);
  const data = await open(config({ validation: { count: 1, select: 'last' } }));
  t.same(sequence(data, data.validation!, 0), [[0], [0], [0]], 'what only others have is unknown');
  t.same(sequence(data, data.test, 3), [[0], [0], [0]]);
  t.same(data.unknownFractions, { train: 0, validation: 1, test: 1 / 8 });
  const dataset = config({ test_path: 'other.jsonl' });
  const all = smallConfig(dataset, crossEntropy, { embedding: { size: 3 } }, { batch_size: 4 });
  const loaded = loadExperiment(work.config(all));
  const { warnings } = checkAgainstData(loaded, data);
  t.match(warnings.filter(({ code }) => code === 'data/unknown-symbols').map(line), [
    /^data\/unknown-symbols .*\| the training split lacks symbols of other splits \(100\.0 % in the validation split, 12\.5 % in the test split\), and the model does not learn to read unknown ones/,
  ]);
  const given = { level: 'word', symbols: ['<unk>', 'c', 'a'] } as const;
  const known = await openDataset(config({}), { seed: 0, vocabulary: given });
  t.same(known.vocabulary, given, 'a run keeps its own');
  t.same(sequence(known, known.train, 2), [[2], [1], [0]]);
});

t.test('jsonl: what is wrong is told with its line and field', async t => {
  const path = join(t.testdir(), 'a.jsonl');
  const told = (exit: number, lines: string[], more: object = {}) => {
    writeFileSync(path, lines.join('\n'));
    return complaints(exit, () => open(records({ path, test_path: undefined, test_fraction: 0.5, ...more })));
  };
  const good = '{"words": ["a"], "class": 1}';
  const cases: [string, string[], object, RegExp[]][] = [
    [
      'a line that is cut off',
      [good, '{"words": ["a"], "cl'],
      {},
      [
        /^data\/jsonl-line 2:1\+20 \| the line is not valid JSON: Unterminated string in JSON.* \| expected one JSON object per line$/,
      ],
    ],
    [
      'no object',
      [good, '', '[1]', '3'],
      {},
      [/^data\/jsonl-line 3:1\+3 \| the line is not a JSON object/, /jsonl-line 4:1/],
    ],
    [
      'a field that is missing',
      ['{"words": ["a"], "class": [1]}', '{"words": ["a"]}'],
      { per_step: true },
      [/^data\/jsonl-missing-field 2:1\+16 \| the record has no field "class"/],
    ],
    ['no steps', ['{"words": [], "class": 1}'], {}, [/^data\/no-targets \| no sequence has a step$/]],
    [
      'a word that is none',
      [good, '{"words": ["a", null], "class": 1}'],
      {},
      [/2:2\+7 .* \| expected a list of strings, numbers or booleans \| got null$/],
    ],
    [
      'a class that is a mapping',
      [good, '{"words": ["a"], "class": {}}'],
      {},
      [/^data\/jsonl-value 2:18\+7 .* \| expected a class: a string, a number or a boolean \| got \{\}$/],
    ],
    [
      'no list',
      [good, '{"words": "a", "class": [1]}'],
      {},
      [/expected a list with the symbol of each step \| got "a"$/, /^data\/jsonl-value 2:16\+7 .*got \[1\]$/],
    ],
    [
      'too few classes',
      ['{"words": ["a", "b"], "class": [1]}', good],
      { per_step: true },
      [
        /1:23\+7 .*expected 2 targets, one for each step of "words" \| got 1 target$/,
        /expected a list with the target of each step \| got 1$/,
      ],
    ],
    [
      'widths',
      ['{"words": [[1, 2], [3]], "class": 1}'],
      { input_kind: 'number' },
      [/expected 2 numbers a step \| got \[3\]/],
    ],
    [
      'not finite',
      [good.replace('"a"', '1e39'), good.replace('"a"', '"1"')],
      { input_kind: 'number' },
      [/^data\/not-finite 1:2\+7 .*got 1e\+39/, /not-finite 2:2.*got "1"$/],
    ],
    [
      'a number that no float64 holds',
      [good.replace('"a"', '-1e999')],
      { input_kind: 'number' },
      [/got -Infinity$/],
    ],
    [
      'nested deeper than the stack',
      [good.replace('"a"', `${'['.repeat(200_000)}${']'.repeat(200_000)}`)],
      { input_kind: 'number' },
      [/expected finite numbers \| got (a value that is nested too deeply$|\[\[)/],
    ],
    [
      'other targets',
      ['{"words": ["a"], "class": [1, 2]}', good],
      { target_kind: 'value' },
      [/expected 2 numbers, as in the first record \| got 1/],
    ],
    ['no records', ['', ' '], {}, [/^data\/jsonl-empty \| the file has no records/]],
  ];
  for (const [name, lines, more, want] of cases) t.match(await told(5, lines, more), want, name);
  t.match(await told(2, ['{"word": ["a"], "class": 1}']), [
    /^data\/jsonl-missing-field \| the first record of .* has no field "words" \| expected one of word, class$/,
  ]);
  t.equal(
    (
      await told(
        5,
        Array.from({ length: 99 }, () => '{'),
      )
    ).length,
    20,
    'as many as anybody reads',
  );
});

/** What is read of a file that comes in pieces of `size` bytes. */
async function readInPieces(config: DatasetConfig, data: Dataset, path: string, size: number) {
  const bytes = readFileSync(path);
  const chunks = async function* () {
    for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
  };
  const record: DataRecord = {
    input: data.input,
    sequence_length: data.sequenceLength,
    variable_length: true,
    output_size: 2,
    ...(data.vocabulary && { vocabulary: data.vocabulary }),
  };
  const all: ReadSequence[] = [];
  const source = { name: path, isFile: true, chunks: chunks() };
  for await (const some of newSequences(config, record).read(asInput(source))) all.push(...some);
  return all;
}

t.test('sequences to predict are read as those that train, in pieces of any size', async t => {
  const tagged = records({ target: 'tags', per_step: true, id: 'id' });
  const numbers = records({ input: 'n', input_kind: 'number' });
  for (const config of [tagged, numbers]) {
    const data = await open(config);
    for (const size of [1, 2, 3, 7, 50, 1000]) {
      const read = await readInPieces(config, data, file('records.jsonl'), size);
      t.equal(read.length, 4);
      read.forEach((one, i) => {
        if (isRejected(one)) t.fail(`rejected: ${one.problems.map(line)}`);
        else {
          const steps = sequence(data, data.train, i).flat().slice(0, one.length);
          t.same([...one.values], steps, `${size} bytes`);
          t.equal(one.length, data.train.lengths?.[i] ?? data.sequenceLength);
          t.equal(one.id, data.train.id!(i));
        }
      });
    }
  }
  const { symbols } = json('expected.json');
  for (const level of LEVELS) {
    const config: DatasetConfig = {
      kind: 'text',
      path: file('prose.txt'),
      level,
      sequence_length: 1,
      test_fraction: 0.1,
      min_count: 1,
    };
    const data = await open(config);
    for (const size of [1, 2, 5, 1000]) {
      const read = await readInPieces(config, data, file('prose.txt'), size);
      const texts = read.map(one =>
        isRejected(one) ? [] : [...one.values].map(symbol => data.vocabulary!.symbols[symbol]),
      );
      const known = (text: string) => (data.vocabulary!.symbols.includes(text) ? text : '<unk>');
      t.same(
        texts.flat(),
        // the last one is only a target
        symbols[level].map(known).slice(0, -1),
        `${level}, ${size} bytes`,
      );
    }
  }
});

t.test('what cannot be predicted is told, and what follows is read', async t => {
  const path = join(t.testdir(), 'a.jsonl');
  const config = records({ id: 'id' });
  const data = await open(config);
  writeFileSync(
    path,
    '{"words": ["cat", "new"], "id": ""}\n{"words": 3, "id": "x"}\n{"word\n\n{"words": [], "id": []}\n{"id": 4, "words": ["a"], "class": 7}',
  );
  const read = await readInPieces(config, data, path, 10);
  t.same(
    read.map(one => (isRejected(one) ? [one.id, ...one.problems.map(line)] : [one.id, ...one.values])),
    [
      ['line 1', 1, 0],
      [
        'x',
        'data/jsonl-value 2:2+7 | field "words" has an invalid value | expected a list with the symbol of each step | got 3',
      ],
      [
        undefined,
        'data/jsonl-line 3:1+6 | the line is not valid JSON: Unterminated string in JSON at position 6 | expected one JSON object per line',
      ],
      [
        undefined,
        'data/jsonl-value 5:15+4 | field "id" is empty | expected a string, a number or a boolean',
        'data/jsonl-value 5:2+7 | field "words" is empty | expected at least one step',
      ],
      ['4', 4],
    ],
  );
  const [head, tail] = ['{"words": ["a"]}\n{"words": ["', '"]}\n{"id": "z", "words": ["a"]}'];
  writeFileSync(path, Buffer.concat([Buffer.from(head), Buffer.of(0xc3), Buffer.from(tail)]));
  const around = await readInPieces(config, data, path, 5);
  t.same(
    around.map(one => (isRejected(one) ? one.problems.map(line) : one.id)),
    [
      'line 1',
      [
        'data/encoding 2:13+undefined | the file is not UTF-8 text | expected UTF-8; `iconv -f WINDOWS-1252 -t UTF-8 FILE` converts Windows-1252 and Latin-1 | got byte 0xc3 at offset 29',
      ],
      'z',
    ],
    'a byte that is not UTF-8 costs its line only',
  );
  // each of its lines is broken
  const array = Buffer.from('\x93NUMPY\x01\x00\n\xff\n\xff\n', 'latin1');
  writeFileSync(path, array);
  const told = ['data/not-text | the file is a NumPy array (.npy), not text | expected UTF-8 text'];
  t.same(await complaints(5, () => readInPieces(config, data, path, 2)), told);
  t.same(await complaints(5, () => open({ ...config, path } as DatasetConfig)), told);
  writeFileSync(path, Buffer.from('PAR1\n\xff\nPAR1', 'latin1'));
  t.same(
    await complaints(5, () => open({ ...config, path } as DatasetConfig)),
    [told[0].replace('NumPy array (.npy)', 'Parquet file')],
    'also if its first line could be text',
  );
  const long = Buffer.alloc(2 ** 26 + 10, 'x');
  writeFileSync(
    path,
    Buffer.concat([Buffer.from('{"words": ["a"]}\n'), long, Buffer.from('\n{"words": ["a"]}')]),
  );
  const apart = await readInPieces(config, data, path, 2 ** 20);
  t.same(
    apart.map(one => (isRejected(one) ? one.problems.map(({ code, line }) => [code, line]) : one.id)),
    ['line 1', [['data/line-too-long', 2]], 'line 3'],
  );
});

t.test('a column of texts is read as the same texts in JSON Lines', async t => {
  const texts = ['good film', '  "so" bad,\nso bad ', 'Grüße 🎉', 'bad bad good', 'x', 'film'];
  const quoted = (text: string) => `"${text.replaceAll('"', '""')}"`;
  const folder = t.testdir({
    'texts.csv': `stars,text\n${texts.map((text, i) => `${i % 2},${quoted(text)}\n`).join('')}`,
    'texts.jsonl': texts
      .map((text, i) => `${JSON.stringify({ text: text.trim(), stars: i % 2 })}\n`)
      .join(''),
  });
  const shared = { input_kind: 'text', target: 'stars', target_kind: 'class', test_fraction: 0.5 } as const;
  const table = { kind: 'csv', path: join(folder, 'texts.csv'), features: ['text'], ...shared } as const;
  for (const level of ['character', 'byte', 'word'] as const) {
    const csv = await open({ ...table, level });
    const jsonl = await open({
      kind: 'jsonl',
      path: join(folder, 'texts.jsonl'),
      input: 'text',
      level,
      ...shared,
    });
    t.same(csv.vocabulary, jsonl.vocabulary, level);
    for (const split of ['train', 'test'] as const) {
      t.same(csv[split].lengths, jsonl[split].lengths);
      t.same(classes(csv[split]), classes(jsonl[split]));
      for (let i = 0; i < csv[split].count; i++)
        t.same(sequence(csv, csv[split], i), sequence(jsonl, jsonl[split], i), `${level}, ${split} ${i}`);
    }
    const read = await readInPieces({ ...table, level }, csv, table.path, 5);
    const first = read.find(one => !isRejected(one) && one.id === csv.train.id!(0));
    if (first === undefined || isRejected(first)) throw new Error('the first sequence of training is read');
    t.same([...first.values], sequence(csv, csv.train, 0).flat().slice(0, first.length), 'as it trains');
  }
  t.match(await complaints(2, () => open({ ...table, level: 'word', features: ['text', 'stars'] })), [
    /texts are read from one column/,
  ]);
});

t.test('a record without the field of the target has no target', async t => {
  const path = join(t.testdir(), 'a.jsonl');
  const lines = (...all: object[]) => writeFileSync(path, all.map(one => JSON.stringify(one)).join('\n'));
  lines(
    { words: ['a'] },
    { words: ['b'], class: 1 },
    { words: ['c'], class: null },
    { words: ['d'], class: 2 },
  );
  const config = records({ path, test_path: path });
  const data = await open(config);
  t.same([data.train.count, data.train.id!(0), data.train.id!(1)], [2, 'line 2', 'line 4']);
  lines({ words: ['a'] }, { words: ['b'], kind: 1 });
  t.match(await complaints(2, () => open(config)), [
    /^data\/jsonl-missing-field \| the first record of .* has no field "class"/,
  ]);
});

t.test('records without ids are named by their lines, and targets may begin with null', async t => {
  const folder = t.testdir({
    'a.jsonl': '{"x": [1, 2], "y": [null, [3, 4]]}\n\n{"x": [3, 4], "y": [null, [5, 6]]}\n',
    'b.jsonl': '{"x": [7, 8], "y": [[9, 10], null]}\n',
    'null.jsonl': '{"x": [1], "y": [null]}\n{"x": [1], "y": [null]}\n',
    'large.jsonl':
      '{"x": [1], "y": [1], "id": 9007199254740993}\n{"x": [1], "y": [1], "id": 9007199254740991}\n',
  });
  const config = (path: string, more: object = {}): DatasetConfig => ({
    kind: 'jsonl',
    ...{ path: join(folder, path), test_path: join(folder, 'b.jsonl') },
    ...{ input: 'x', target: 'y', input_kind: 'number', target_kind: 'value', per_step: true },
    ...more,
  });
  const one = await open(config('a.jsonl'));
  t.same([0, 1].map(one.train.id!), ['line 1', 'line 3']);
  const none = [Number.NaN, Number.NaN];
  t.same([...one.train.targets.values], [...none, 3, 4, ...none, 5, 6]);
  const both = await open(config('[ab].jsonl'));
  t.same([0, 1, 2].map(both.train.id!), ['a.jsonl:1', 'a.jsonl:3', 'b.jsonl:1']);
  t.match(await complaints(5, () => open(config('null.jsonl'))), [
    'data/no-targets | no sequence has a target',
  ]);
  t.match(
    await complaints(5, () =>
      open(config('large.jsonl', { id: 'id', test_path: join(folder, 'large.jsonl') })),
    ),
    [
      /1:22\+4 .* field "id" has an invalid value \| expected a string, since a number of this size loses digits/,
    ],
  );
});

t.test('csv: symbols by group are those of the same data as JSON Lines', async t => {
  const directory = t.testdir();
  const sentences = [
    ['the cat sat', 'D N V'],
    ['the "big, red" dog nan', 'D A N V'],
    ['a cat ran', 'D N V'],
  ].map(([words, tags]) => [words.match(/"[^"]*"|\S+/g)!, tags.split(' ')] as const);
  const [csvPath, jsonlPath] = [join(directory, 'a.csv'), join(directory, 'a.jsonl')];
  const rows = sentences.flatMap(([words, tags], s) =>
    words.map((word, i) => `s${s},${i},${word},${tags[i]}`),
  );
  writeFileSync(csvPath, ['s,i,word,tag', ...rows.toReversed()].join('\n'));
  const lines = sentences
    .map(([words, tags], s) =>
      JSON.stringify({ id: `s${s}`, words: words.map(word => word.replaceAll('"', '')), tags }),
    )
    .toReversed();
  writeFileSync(jsonlPath, lines.join('\n'));
  const common = { test_fraction: 0.34, target_kind: 'class', min_count: 1 } as const;
  const table: DatasetConfig = {
    ...common,
    kind: 'csv',
    path: csvPath,
    features: ['word'],
    input_kind: 'symbol',
    target: 'tag',
    sequence: { group: 's', order: 'i', per_step: true },
  };
  const [csv, jsonl] = [
    await open(table),
    await open(
      records({ ...common, path: jsonlPath, test_path: undefined, target: 'tags', per_step: true, id: 'id' }),
    ),
  ];
  t.same([csv.vocabulary, csv.input, csv.classLabels], [jsonl.vocabulary, jsonl.input, jsonl.classLabels]);
  for (const name of ['train', 'test'] as const) {
    t.same(classes(csv[name]), classes(jsonl[name]));
    for (let i = 0; i < csv[name].count; i++) {
      t.equal(csv[name].id!(i), jsonl[name].id!(i));
      t.same(sequence(csv, csv[name], i), sequence(jsonl, jsonl[name], i));
    }
  }
  const read = await readInPieces(table, csv, csvPath, 5);
  const train = read.filter(one => !isRejected(one) && one.id === csv.train.id!(0));
  t.match(train, [
    {
      values: sequence(csv, csv.train, 0)
        .flat()
        .slice(0, csv.train.lengths?.[0] ?? csv.sequenceLength),
    },
  ]);
  t.match(await complaints(2, () => open({ ...table, features: ['word', 'i'] })), [
    /^data\/symbol-columns \| symbols are read from one column/,
  ]);
  writeFileSync(csvPath, 's,i,word,tag\na,1,,D\nb,1,x,D');
  t.match(await complaints(5, () => open(table)), [/^data\/csv-missing-value 2:5/]);
});

t.test('folders, patterns and compressed files', async t => {
  const directory = t.testdir({
    'b.txt': 'bb\n',
    'a.txt': 'a\n',
    '.hidden': 'x',
    'c.md': 'c\n',
    sub: { 'd.txt': 'd\n' },
    empty: {},
    'r2.jsonl': '{"words": ["b"], "class": 1}',
    'r1.jsonl': '{"words": ["a"], "class": 0}\n',
    'odd[1].txt': 'o\n',
  });
  const at = (name: string) => join(directory, name);
  const text = async (path: string | [string, ...string[]]) => {
    const data = await open({
      kind: 'text',
      path,
      level: 'character',
      sequence_length: 50,
      test_path: at('a.txt'),
      min_count: 1,
    });
    const { symbols } = data.vocabulary!;
    const [first] = sequence(data, data.train, 0).flat();
    const read = [first, ...classes(data.train).filter(symbol => symbol >= 0)]
      .map(symbol => symbols[symbol])
      .join('');
    return [read, data.digests.map(({ name }) => name.slice(directory.length + 1)).join()];
  };
  t.same(await text(at('*.txt')), ['a\nbb\no\n', 'a.txt,b.txt,odd[1].txt,a.txt']);
  t.same(await text(at('**/[ad].txt')), ['a\nd\n', 'a.txt,sub/d.txt,a.txt']);
  t.same(await text([at('c.md'), at('sub')]), ['c\nd\n', 'c.md,sub/d.txt,a.txt']);
  t.same(await text(at('odd[1].txt')), ['o\n', 'odd[1].txt,a.txt'], 'a name that exists is no pattern');
  t.match(await complaints(2, () => text(at('*.none'))), [/^data\/no-files \| no file matches the pattern/]);
  t.match(await complaints(2, () => text(at('empty'))), [/the directory has no files/]);
  t.match(await complaints(2, () => text(at('absent'))), [/the file does not exist/]);

  const parted = await open(records({ path: at('r*.jsonl'), test_path: at('r1.jsonl') }));
  t.same([parted.train.count, classes(parted.train), parted.classLabels], [2, [0, 1], ['0', '1']]);
  const table = 'a,b,y\n1,2,up\n3,4,down\n5,6,up\n';
  const csv = (name: string, content: string | Buffer): DatasetConfig => {
    writeFileSync(at(name), content);
    return {
      kind: 'csv',
      path: at(name),
      features: ['a', 'b'],
      target: 'y',
      target_kind: 'class',
      test_fraction: 0.3,
    };
  };
  const [plain, packed] = [await open(csv('t.csv', table)), await open(csv('t.csv.gz', gzipSync(table)))];
  t.same(sequence(packed, packed.train, 1), sequence(plain, plain.train, 1));
  t.match(await complaints(5, () => open(csv('bad.csv.gz', gzipSync(table).subarray(0, 30)))), [
    /the gzip stream ends too early/,
  ]);
});
