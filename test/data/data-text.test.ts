/** Texts and language models. */

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import t from 'tap';
import { loadExperiment } from '../../src/config/index.js';
import { symbolsOf } from '../../src/data/core/vocabulary.js';
import {
  type DatasetConfig,
  decodeText,
  encodeText,
  isRejected,
  newSequences,
  openDataset,
  type Vocabulary,
} from '../../src/data/index.js';
import { loadModel } from '../../src/predict/model.js';
import { type Diagnostic, UserError } from '../../src/util/errors.js';
import { compareRuns } from '../../src/verify/resume.js';
import { jsonLines, readLog } from '../support/cli.js';
import {
  asInput,
  classes,
  complaints,
  textFixture as file,
  textExpectation as json,
  TEXT_LEVELS as LEVELS,
  open,
  sequence,
} from '../support/data-files.js';
import { relativeError } from '../support/goldens.js';
import { resume, stopAt, train } from '../support/runs.js';
import { work } from '../support/work.js';

t.test('the test split is a fraction of the symbols, or a number of sequences', async t => {
  const path = join(t.testdir(), 'text');
  writeFileSync(path, 'abcdefghij'.repeat(10));
  const held = async (more: object) => {
    const config = {
      kind: 'text',
      path,
      level: 'character',
      min_count: 1,
      sequence_length: 5,
      ...more,
    } as const;
    const { train, validation, test } = await open(config);
    return [train, validation, test].map(split => split && classes(split).filter(one => one >= 0).length);
  };
  // the first symbol of a split is no target
  t.same(await held({ test_fraction: 0.3 }), [69, undefined, 29]);
  t.same(await held({ test: { fraction: 0.3 } }), [69, undefined, 29]);
  t.same(await held({ test: { count: 4 }, validation: { count: 2 } }), [67, 10, 20]);
  t.match(await complaints(2, () => held({ test: { count: 50 } })), [
    /^data\/text-too-short \| the training split has too little text/,
  ]);
});

t.test('text: symbols and vocabularies are those that Python has', async t => {
  const { fraction, symbols, training, vocabularies } = json('expected.json');
  for (const level of LEVELS) {
    for (const min_count of [1, 2]) {
      for (const name of ['prose.txt', 'prose.txt.gz']) {
        const data = await open({
          kind: 'text',
          path: file(name),
          level,
          sequence_length: 1,
          test_fraction: fraction,
          min_count,
        });
        const known: string[] = vocabularies[level][min_count];
        const hasUnknown = training[level].some((symbol: string) => known.indexOf(symbol) <= 0);
        const has_unknown = hasUnknown && { has_unknown: true };
        t.same(data.vocabulary, { level, symbols: known, ...has_unknown }, `${level} ${name}`);
        const numbers = (all: string[]) => all.map(symbol => Math.max(0, known.indexOf(symbol)));
        const read = numbers(training[level]);
        t.same(
          Array.from({ length: data.train.count }, (_, i) => sequence(data, data.train, i).flat()).flat(),
          read.slice(0, -1),
        );
        t.same(classes(data.train), read.slice(1));
        t.same(
          classes(data.test),
          numbers(symbols[level].slice(training[level].length)).slice(1),
          'the last part tests, and unknown symbols are targets as well',
        );
      }
    }
  }
  t.same(
    symbolsOf('a\u001cb\u0085c\u00a0d\ufeffe', 'word'),
    ['a', 'b', 'c', 'd\ufeffe'],
    'white space of Python',
  );
});

t.test('text: each symbol but the first is the target of one step, in the order of its row', async t => {
  const path = join(t.testdir(), 'numbers.txt');
  await fc.assert(
    fc.asyncProperty(
      fc.record({
        length: fc.integer({ min: 60, max: 300 }),
        sequence_length: fc.integer({ min: 1, max: 40 }),
        streams: fc.integer({ min: 1, max: 8 }),
        hasValidation: fc.boolean(),
        limit: fc.option(fc.integer({ min: 8, max: 12 }), { nil: undefined }),
      }),
      async ({ length, sequence_length, streams, hasValidation, limit }) => {
        const words = Array.from({ length }, (_, i) => `w${String(i).padStart(4, '0')}`);
        writeFileSync(path, words.join(' '));
        const data = await openDataset(
          {
            kind: 'text',
            path,
            level: 'word',
            min_count: 1,
            sequence_length,
            test_fraction: 0.25,
            ...(hasValidation && { validation: { fraction: 0.25 } }),
            ...(limit !== undefined && { limit }),
          },
          { seed: 0, streams },
        );
        const all = [...words, '<eos>'];
        const test = Math.round(all.length * 0.25);
        const rest = all.length - test;
        const held = hasValidation ? Math.round(rest * 0.25) : 0;
        const most = limit === undefined ? Number.POSITIVE_INFINITY : limit * sequence_length + 1;
        const parts = {
          train: all.slice(0, Math.min(rest - held, most)),
          validation: all.slice(rest - held, rest),
          test: all.slice(rest),
        };
        const { symbols } = data.vocabulary!;
        for (const name of hasValidation
          ? (['train', 'validation', 'test'] as const)
          : (['train', 'test'] as const)) {
          const split = data[name]!;
          const isTrained = new Set(parts.train);
          const part = parts[name].map(word => (isTrained.has(word) ? word : '<unk>'));
          if (split.count % streams !== 0) return false;
          // read as a model does: row by row of each batch
          const [inputs, targets]: string[][] = [[], []];
          for (let row = 0; row < streams; row++) {
            for (let at = row; at < split.count; at += streams) {
              const steps = sequence(data, split, at).flat();
              classes(split)
                .slice(at * sequence_length, (at + 1) * sequence_length)
                .forEach((target, step) => {
                  if (target === -100) return;
                  inputs.push(symbols[steps[step]]);
                  targets.push(symbols[target]);
                });
            }
          }
          if (JSON.stringify(inputs) !== JSON.stringify(part.slice(0, -1))) return false;
          if (JSON.stringify(targets) !== JSON.stringify(part.slice(1))) return false;
        }
        return true;
      },
    ),
    { numRuns: 60 },
  );
});

t.test('text: what does not fit is told at its place', async t => {
  const directory = t.testdir({
    short: 'ab',
    cut: Buffer.from('aé').subarray(0, 2).toString('latin1'),
  });
  const cut = join(directory, 'cut');
  writeFileSync(cut, Buffer.concat([Buffer.from('abc déf'), Buffer.of(0xf0, 0x9f, 0xa5)]));
  const text = (path: string, more: object = {}): DatasetConfig =>
    ({
      kind: 'text',
      path,
      level: 'character',
      sequence_length: 2,
      test_fraction: 0.5,
      ...more,
    }) as DatasetConfig;
  t.match(await complaints(5, () => open(text(cut))), [
    /^data\/encoding 1:.* \| the file is not UTF-8 text \| expected UTF-8; `iconv.*-1252.*at offset 8$/,
  ]);
  const wide = join(directory, 'wide');
  writeFileSync(wide, Buffer.from('\ufeffah\nab', 'utf16le'));
  t.match(await complaints(5, () => open(text(wide))), [
    / 1:.* \| the file is not UTF-8 text \| expected UTF-8; this looks like UTF-16.*\| got byte 0xff at offset 0$/,
  ]);
  t.equal((await open(text(cut, { level: 'byte' }))).vocabulary?.level, 'byte', 'bytes may be anything');
  t.match(await complaints(2, () => open(text(join(directory, 'short')))), [
    /^data\/text-too-short \| the training split has too little text \| expected at least two symbols \| got 1 symbol$/,
  ]);
  t.match(await complaints(2, () => open(text(cut, { level: 'byte', min_count: 9 }))), [
    /^data\/vocabulary \| no symbol of the training split occurs that often \| expected at most 1, .* got 9$/,
  ]);
  writeFileSync(cut, Buffer.from([0x61, 0x80, 0x62]));
  t.match(await complaints(5, () => open(text(cut))), [/^data\/encoding 1:.* at offset 1$/]);
  const empty = join(directory, 'empty');
  for (const content of ['', '\uFEFF']) {
    writeFileSync(empty, content);
    for (const more of [{}, { memory: 0 }])
      t.same(await complaints(5, () => open(text(empty, more))), ['data/text-empty | the file is empty']);
  }
  t.same(
    await complaints(5, () =>
      open(text(join(directory, 'short'), { test_fraction: undefined, test_path: empty })),
    ),
    ['data/text-empty | the file is empty'],
  );
});

interface Golden {
  readonly vocabulary: string[];
  readonly steps: number[];
  readonly tests: number[];
}

const languageModel = {
  dataset: {
    kind: 'text',
    path: file('language-model.txt'),
    level: 'character',
    sequence_length: 7,
    test_fraction: 0.2,
  },
  model: {
    cell: 'gru',
    hidden_size: 8,
    num_layers: 2,
    embedding: { size: 3 },
    head: { from: 'every' },
    init_from: file('language-model.safetensors'),
  },
  optimizer: { kind: 'adam', learning_rate: 0.03 },
  training: {
    num_epochs: 10,
    batch_size: 4,
    shuffle: false,
    carry_state: true,
    log_every: 1,
    metrics: ['perplexity', 'bits_per_symbol'],
  },
  checkpoint: { every: { steps: 5 }, keep: { last: 100, best: 1 }, metric: 'test.loss' },
};

t.test('a language model learns as in PyTorch, and goes on with the same states', async t => {
  const golden: Golden = json('language-model.json');
  const whole = await train(work, languageModel);
  const log = readLog(whole.summary.directory);
  const losses = log.filter(({ event }) => event === 'train.step').map(({ loss }) => Number(loss));
  t.equal(losses.length, golden.steps.length);
  losses.forEach((loss, i) => {
    // differences of float32 grow from step to step
    const tolerance = i < 20 ? 1e-5 : 1e-3;
    if (relativeError([loss], [golden.steps[i]]) > tolerance) t.equal(loss, golden.steps[i], `step ${i + 1}`);
  });
  const tests = log.filter(({ event }) => event === 'eval');
  t.equal(tests.length, golden.tests.length);
  tests.forEach((evaluation, i) => {
    const want = golden.tests[i];
    for (const [name, value] of Object.entries({
      loss: want,
      perplexity: Math.exp(want),
      bits_per_symbol: want / Math.LN2,
    }))
      if (relativeError([Number(evaluation[name])], [value]) > 3e-3)
        t.equal(evaluation[name], value, `epoch ${i + 1} ${name}`);
  });
  t.same(JSON.parse(readFileSync(join(whole.summary.directory, 'manifest.json'), 'utf8')).data.vocabulary, {
    level: 'character',
    symbols: golden.vocabulary,
  });

  const stopped = await train(work, languageModel, stopAt(18));
  const resumed = await resume(stopped.summary.directory);
  t.same(compareRuns(whole.summary.directory, resumed.summary.directory), [], 'stopped within an epoch');
});

t.test('a language model makes up the text that PyTorch does', async t => {
  const { prompt, greedy } = json('language-model.json');
  const { summary } = await train(work, languageModel);
  const generate = async (...flags: string[]) => {
    const { code, stdout, stderr } = await work.cellrun(
      'predict',
      summary.directory,
      '--checkpoint',
      'last',
      '--generate',
      ...flags,
    );
    return { code, stdout, stderr };
  };
  const likeliest = await generate('--prompt', prompt, '--length', '30', '--temperature', '0');
  t.same(likeliest, { code: 0, stdout: `${prompt}${greedy}\n`, stderr: '' });
  const drawn = await generate('--length', '40', '--seed', '3', '--temperature', '0.8');
  t.equal(drawn.stdout.length, 41);
  t.same(
    await generate('--length', '40', '--seed', '3', '--temperature', '0.8'),
    drawn,
    'the same seed, the same text',
  );
  t.not((await generate('--length', '40', '--seed', '4', '--temperature', '0.8')).stdout, drawn.stdout);
  t.notMatch(
    (await generate('--length', '300', '--temperature', '50')).stdout,
    '<unk>',
    'what is unknown is no text',
  );
  const model = await loadModel(summary.directory, { checkpoint: 'last', backend: 'webasm', threads: 1 });
  const pieces: string[] = [];
  for await (const piece of model.generateText(prompt, { length: 30, temperature: 0 })) pieces.push(piece);
  t.same(pieces, [...greedy], 'a piece for each character');
  await model.close();
  const alone = await work.cellrun('predict', summary.directory, '--seed', '1');
  t.match(alone, { code: 2, stderr: /--seed requires --generate/ });
  const foreign = await work.cellrun('predict', summary.directory, '--generate', '--prompt', 'der € ');
  t.match(foreign, {
    code: 2,
    stdout: /^$/,
    stderr: /the prompt .*: the symbol "€" does not occur in the training split/,
  });
  const input = work.file('lines.txt', 'der wal \nda wal\n');
  const predict = (...flags: string[]) =>
    work.cellrun('predict', summary.directory, '--checkpoint', 'last', ...flags);
  for (const [flag, ...more] of [['--lines'], ['--on-error', 'skip']])
    t.match(await predict(flag, ...more), {
      code: 2,
      stdout: '',
      stderr: `${flag}: ${flag} requires --input\n`,
    });
  const scored = await predict('--lines', '--input', input);
  const told = jsonLines(scored.stdout);
  t.same(
    told.map(({ predicted }) => predicted.length),
    [8, 6],
    'each line is a text of its own',
  );
  t.equal(told[0].predicted_name.at(-1), greedy[0]);
});

t.test('texts are put together as they were cut', async t => {
  const pieces = async (symbols: number[], vocabulary: Vocabulary, isContinued = false) => {
    const given = async function* () {
      yield* symbols;
    };
    const all: string[] = [];
    for await (const piece of decodeText(given(), vocabulary, isContinued)) all.push(piece);
    return all;
  };
  const decoded = async (...args: Parameters<typeof pieces>) => (await pieces(...args)).join('');
  await fc.assert(
    fc.asyncProperty(fc.string({ unit: 'grapheme' }), async text => {
      for (const level of ['character', 'byte'] as const) {
        const vocabulary = { level, symbols: ['<unk>', ...new Set(symbolsOf(text, level))] };
        if ((await decoded(encodeText(text, vocabulary), vocabulary)) !== text) return false;
      }
      return true;
    }),
  );
  const words = { level: 'word', symbols: ['<unk>', '<eos>', 'a', 'b'] } as const;
  t.same(encodeText('a  b\n\nb', words), [2, 3, 1, 1, 3]);
  t.throws(() => encodeText('b c', words), {
    message: 'the symbol "c" does not occur in the training split',
  });
  t.same(encodeText('b c', { ...words, has_unknown: true }), [3, 0]);
  t.equal(await decoded([2, 3, 1, 1, 3], words), 'a b\n\nb');
  t.equal(await decoded([2, 1, 3], words, true), ' a\nb', 'after a prompt');
  const bytes = { level: 'byte', symbols: ['<unk>', '\xc3', '\xa9', 'a'] } as const;
  t.same(await pieces([3, 1, 2, 1], bytes), ['a', 'é', '\ufffd'], 'no empty pieces');
});

t.test('an unknown symbol of an input and a byte that is not UTF-8 have their column', async t => {
  // longer than a piece of the reader, which ends within the line
  const line = `${'cafe\u0301 🦊 '.repeat(400)}the Zeg the`;
  const text = `\uFEFFthe\n\n${line}\nthe\n`;
  const path = work.file('unknown.txt', text);
  const bytes = Buffer.from(text);
  const place = `3:${line.indexOf('Z') + 1}`;
  const problemsOf = async (level: 'character' | 'byte' | 'word', given: Buffer, options: object) => {
    const known = symbolsOf(text.slice(level === 'byte' ? 0 : 1).replaceAll(/Zeg/g, 'the\n'), level);
    const vocabulary = { level, symbols: ['<unk>', '<eos>', ...new Set(known)] };
    const shape = { sequence_length: 7, test_fraction: 0.5, min_count: 1 };
    const config = { kind: 'text', path, level, ...shape } as const;
    const record = {
      input: { kind: 'symbol', count: vocabulary.symbols.length },
      sequence_length: 7,
      variable_length: true,
      output_size: vocabulary.symbols.length,
      vocabulary,
    } as const;
    const chunks = async function* () {
      for (let at = 0; at < given.length; at += 1000) yield given.subarray(at, at + 1000);
    };
    const source = { name: path, isFile: true, chunks: chunks(), ...(given === bytes && { path }) };
    const places: string[] = [];
    const add = (problems: readonly Diagnostic[]) =>
      places.push(...problems.map(({ line, column }) => `${line}:${column}`));
    try {
      for await (const some of newSequences(config, record, options).read(asInput(source)))
        for (const one of some) if (isRejected(one)) add(one.problems);
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      add(error.diagnostics);
    }
    return places;
  };
  const [z, fox] = [bytes.indexOf('Z'), bytes.lastIndexOf('🦊')];
  const [notText, cut] = [Buffer.from(bytes), Buffer.from(bytes)];
  notText[z] = 0xff;
  cut[fox + 2] = 0x99;
  for (const options of [{}, { lines: true }, { rows: 2 }]) {
    for (const level of LEVELS) {
      const name = `${level} ${JSON.stringify(options)}`;
      const places = await problemsOf(level, bytes, options);
      t.same(
        places,
        level === 'word' || 'lines' in options ? [place] : [place, `3:${line.indexOf('g') + 1}`],
        name,
      );
      if (level !== 'byte') t.same(await problemsOf(level, notText, options), [place], name);
    }
    const inside = `3:${line.lastIndexOf('🦊') + 1}`;
    t.same((await problemsOf('byte', cut, options))[0], inside, 'a byte within a character');
  }
});

t.test('a file that is named twice is told by its keys', t => {
  const config = {
    ...languageModel,
    dataset: {
      ...languageModel.dataset,
      path: ['a.txt', 'b.txt', 'a.txt'],
      test_fraction: undefined,
      test_path: 'b.txt',
    },
  };
  t.throws(() => loadExperiment(work.config(config)), {
    message: /`path\.2` is the same file as `path\.0`[\s\S]*`test_path` is the same file as `path\.1`/,
  });
  t.end();
});
