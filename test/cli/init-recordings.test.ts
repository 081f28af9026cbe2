/** `init` for folders of recordings. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import t from 'tap';
import { parse } from 'yaml';
import { callInProcess } from '../support/in-process.js';
import { tone, wav } from '../support/wav.js';
import { work } from '../support/work.js';

/** Writes short recordings and tables, and returns what `init` makes of one of them. */
async function initOf(
  from: string,
  names: readonly string[],
  tables: Readonly<Record<string, string>>,
  flags: readonly string[],
) {
  const cwd = work.folder();
  const write = (name: string, content: string | Buffer) => {
    const path = join(cwd, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, content);
  };
  for (const [i, name] of names.entries())
    write(name, /\.wav$/i.test(name) ? wav(tone(200 + 10 * (i % 7), 1600)) : 'text');
  for (const [name, text] of Object.entries(tables)) write(name, text);
  const ended = await callInProcess(['init', 'new.yaml', '--from', from, ...flags], { ...work.place, cwd });
  const config = ended.code === 0 ? parse(readFileSync(join(cwd, 'new.yaml'), 'utf8')) : undefined;
  return { ...ended, config, dataset: config?.dataset };
}

/** What `init` makes of a folder of recordings. */
const from = (names: readonly string[], ...flags: string[]) =>
  initOf(
    'data',
    names.map(name => `data/${name}`),
    {},
    flags,
  );

/** All names of `parts`, joined by `pattern`: one for each combination. */
const names = (parts: readonly (readonly string[])[], join: (...values: string[]) => string): string[] =>
  parts
    .reduce<string[][]>((all, values) => all.flatMap(one => values.map(value => [...one, value])), [[]])
    .map(values => join(...values));

const WORDS = ['yes', 'no', 'stop'];
const PEOPLE = ['anna', 'ben', 'carla', 'dan', 'eva'];
const IDS = ['0a7c2a', '1b88f0', '2c93aa', '3d00e1', '4e4121', '5fa0aa'];
const TAKES = ['0', '1', '2', '3'];
const ofSpeakers = {
  validation: { fraction: 0.2, group: 'speaker' },
  test: { fraction: 0.2, group: 'speaker' },
};

const CLIPS = names([['a', 'b', 'c', 'd', 'e'], TAKES], (a, b) => `${a}${b}.wav`);
const csv = (header: string, row: (name: string, i: number) => string, of = CLIPS) =>
  [header, ...of.map(row)].map(line => `${line}\n`).join('');
const wordOf = (_: string, i: number) => WORDS[i % 3];
const textOf = (i: number) =>
  `${WORDS[i % 3]} ${WORDS[(i + 1) % 3]} number${i % 4} number${Math.floor(i / 4)}`;

const CASES: readonly [what: string, files: readonly string[], flags: readonly string[], dataset: object][] =
  [
    [
      'label, speaker and take in the names',
      [...names([WORDS, PEOPLE, TAKES], (a, b, c) => `${a}_${b}_${c}.wav`), 'README.md'],
      [],
      { path: 'data/*.wav', pattern: '{label}_{speaker}_{take}', target: 'label', ...ofSpeakers },
    ],
    [
      'many recordings of each speaker',
      names([WORDS, PEOPLE, Array.from({ length: 17 }, (_, i) => `${i}`)], (a, b, c) => `${a}_${b}_${c}.wav`),
      [],
      { ...ofSpeakers, normalize: 'standard', normalize_per: 'speaker' },
    ],
    [
      'a folder for each label, and hashes of speakers',
      names([WORDS, IDS, ['0', '1']], (a, b, c) => `${a}/${b}_nohash_${c}.wav`),
      [],
      { path: 'data/*/*.wav', pattern: '{label}/{speaker}_nohash_{take}', target: 'label', ...ofSpeakers },
    ],
    [
      'a folder for each speaker, who is also in the names',
      names([['01', '02', '03', '04', '05'], WORDS, TAKES], (a, b, c) => `${a}/${b}-${a}-${c}.WAV`),
      [],
      { path: 'data/*/*.WAV', pattern: '{label}-{speaker}-{take}', target: 'label', ...ofSpeakers },
    ],
    [
      'folders of actors, whose names are numbers',
      names(
        [
          ['01', '02', '03', '04', '05'],
          ['01', '02', '03'],
          ['1', '2'],
        ],
        (a, b, c) => `Actor_${a}/03-${b}-${c}-${a}.wav`,
      ),
      [],
      { pattern: '{part1}-{label}-{take}-{speaker}', target: 'label', ...ofSpeakers },
    ],
    [
      'a folder for each label, and names without a form',
      WORDS.flatMap(word => ['x', 'a_b', 'c-d', 'some thing'].map(name => `${word}/${name} of ${word}.wav`)),
      [],
      { pattern: '{label}/{part2}', target: 'label', validation: { fraction: 0.2 }, test_fraction: 0.2 },
    ],
    [
      'folders of splits',
      names([['train', 'dev', 'test'], WORDS, TAKES], (a, b, c) => `${a}/${b}/${c}${a}.wav`),
      [],
      {
        path: 'data/train/*/*.wav',
        validation_path: 'data/dev/*/*.wav',
        test_path: 'data/test/*/*.wav',
        validation: undefined,
        test: undefined,
        test_fraction: undefined,
        target: 'label',
      },
    ],
    [
      'the speaker as target',
      names([WORDS, PEOPLE, TAKES], (a, b, c) => `${a}_${b}_${c}.wav`),
      ['--target', 'speaker'],
      { pattern: '{label}_{speaker}_{take}', target: 'speaker', test_fraction: 0.2, test: undefined },
    ],
    [
      'few speakers',
      names([WORDS, ['anna', 'ben'], TAKES], (a, b, c) => `${a}_${b}_${c}.wav`),
      [],
      { pattern: '{label}_{speaker}_{take}', test_fraction: 0.2, test: undefined },
    ],
    [
      'a take whose number has a letter',
      [
        ...names([WORDS, ['01', '02', '03', '04', '05'], TAKES], (a, b, c) => `${a}_${b}_${c}.wav`),
        'no_01_4b.wav',
      ],
      [],
      { pattern: '{label}_{speaker}_{take}', target: 'label', ...ofSpeakers },
    ],
    [
      'a recording beside the folders of splits',
      [
        ...names([['train', 'test'], WORDS, TAKES], (a, b, c) => `${a}/${b}/${c}${a}.wav`),
        'noise/hum/loud.wav',
      ],
      [],
      { path: 'data/train/*/*.wav', test_path: 'data/test/*/*.wav', target: 'label' },
    ],
  ];

for (const [what, files, flags, dataset] of CASES)
  t.test(`init of recordings: ${what}`, async t => {
    const made = await from(files, ...flags);
    t.equal(made.code, 0, made.stderr);
    const own = Object.fromEntries(Object.keys(dataset).map(key => [key, made.dataset?.[key]]));
    t.same(own, dataset, made.stdout);
  });

const ALIKE = names([WORDS, PEOPLE, TAKES], (a, b, c) => `${a}_${b}-${c}.wav`);
const IN_FOLDERS = names([WORDS, IDS, TAKES], (a, b, c) => `${a}/${b}_nohash_${c}.wav`);
const OF_ACTORS = names(
  [['01', '02', '03', '04', '05'], WORDS, TAKES],
  (a, b, c) => `${a}/${b}-${a}-${c}.wav`,
);

for (const [what, files, message] of [
  [
    'an underscore too few, so that all names are two parts',
    [...ALIKE, 'yes_ben4.wav'],
    'names unlike {label}_{speaker}-{take}: 1 of 61 (yes_ben4.wav)',
  ],
  [
    'names in folders of labels',
    [...IN_FOLDERS, 'no/x.wav', 'no/y_1.wav', 'yes/a b.wav', 'yes/z.wav'],
    'names unlike {label}/{speaker}_nohash_{take}: 4 of 76 (no/x.wav, no/y_1.wav, yes/a b.wav, …)',
  ],
  [
    'no folders',
    [...names([WORDS, PEOPLE, TAKES], (a, b, c) => `${a}_${b}_${c}.wav`), 'noise.wav'],
    'names unlike {label}_{speaker}_{take}: 1 of 61 (noise.wav)',
  ],
] as const)
  t.test(`init names recordings unlike the others: ${what}`, async t => {
    const made = await from(files);
    t.match(made, { code: 2, stdout: '' }, made.stdout);
    t.equal(made.stderr.split('\n')[0], `data: ${message}`);
  });

t.test('recordings in a wrong folder are named, and read by their names', async t => {
  const made = await from([...OF_ACTORS, '01/yes-02-9.wav', '02/no-03-9.wav']);
  t.match(made, { code: 0, dataset: { pattern: '{label}-{speaker}-{take}' } }, made.stderr);
  t.match(made.stdout, /^note +2 of 62 \(01\/yes-02-9.wav, 02\/no-03-9.wav\) are in a folder that contra/m);
});

t.test('single recordings are refused with the folder of their labels', async t => {
  const cwd = work.folder();
  for (const name of ['yes/Ünï 5.wav', 'no/x.WAV']) {
    mkdirSync(join(cwd, name, '..'), { recursive: true });
    writeFileSync(join(cwd, name), '');
  }
  const init = (...args: string[]) => callInProcess(['init', '--from', ...args], { ...work.place, cwd });
  for (const args of [['yes/Ünï 5.wav', 'no/x.WAV'], ['yes/Ünï 5.wav'], ['no/x.WAV']])
    t.match(await init(...args), { code: 2, stderr: /not for single files\n {2}expected: --from \.\n/ });
});

t.test('init says that many names are unlike the others', async t => {
  const other = WORDS.flatMap(word => TAKES.map(take => `${word}/x${take}.wav`));
  const made = await from([...IN_FOLDERS.filter((_, i) => i % 4 > 1), ...other]);
  t.match(made, { code: 0, dataset: { pattern: '{label}/{part2}' } });
  t.match(
    made.stdout,
    /note +names unlike {label}\/{speaker}_nohash_{take}: 12 of 48 \(no\/x0\.wav, .*, …\)/,
  );
});

t.test('init says which recordings of a folder it does not read', async t => {
  const files = names([WORDS, PEOPLE, TAKES], (a, b, c) => `my data/${a}_${b}_${c}.wav`);
  const others = ['x.flac', 'y.flac', 'no_anna_0.mp3', 'old/z.ogg'].map(name => `my data/${name}`);
  const read = await initOf('my data', [...files, ...others], {}, []);
  t.match(read, { code: 0, dataset: { pattern: '{label}_{speaker}_{take}' } }, read.stderr);
  const loop =
    /: for f in 'my data'\/\*\/\*\.ogg 'my data'\/\*\.flac; do ffmpeg -i "\$f" "\$\{f%\.\*\}\.wav"; done/;
  t.match(read.stdout, /left out +3 recordings in other formats \(old\/z\.ogg, x\.flac, y\.flac\)/);
  t.match(read.stdout, loop);
  const none = await initOf('my data', [...others.slice(0, 2), 'my data/README'], {}, []);
  t.match(none, {
    code: 2,
    stderr: /^my data: the folder has 2 recordings, but no WAV file\n.*\*\.flac; do ffmpeg/,
  });
});

t.test('init names the table of a folder that lists its recordings', async t => {
  const files = CLIPS.map(name => `data/wavs/${name}`);
  const list = csv('id,word', (name, i) => `${name.slice(0, -4)},${wordOf(name, i)}`);
  const { code, stderr } = await initOf('data', files, { 'data/metadata.csv': list }, []);
  t.match({ code, stderr }, { code: 5, stderr: /expected: `init --from data\/metadata\.csv`, which lists/ });
  const spoken = names([WORDS, PEOPLE], (a, b) => `data/${a}_${b}.wav`);
  const words = csv('file,loud', name => `${name.slice(5)},1`, spoken);
  const read = await initOf('data', spoken, { 'data/words.csv': words }, []);
  t.match(
    read.stdout,
    /note +data\/words\.csv lists recordings: init --from data\/words\.csv reads/,
    read.stderr,
  );
});

t.test('init says if few speakers are in one split each', async t => {
  const three = names([WORDS, PEOPLE.slice(0, 3), TAKES], (a, b, c) => `${a}_${b}_${c}.wav`);
  const apart = await from(three, '--group', 'speaker');
  t.same(
    Object.keys(ofSpeakers).map(key => apart.dataset[key]),
    Object.values(ofSpeakers),
  );
  t.match(apart.stdout, /splits +no speaker is in two of them \(3\)/);
  t.notMatch(apart.stdout, /are few/);
  t.match(
    (await from(three)).stdout,
    /3 speakers are few to learn from.*; --group speaker keeps each in one/,
  );
});

t.test('init says what it cannot read', async t => {
  t.match(await from(['one.wav', 'two words.wav', 'a_b_c.wav']), {
    code: 5,
    stderr: /data: the names of the recordings do not say a label/,
  });
  const few = ['0_theo_1.wav', '1_theo_1.wav'];
  const { stderr: said } = await from(few);
  t.match(said, /expected: several recordings of each label, in names/);
  t.match(said, /got: 2 names: 0_theo_1\.wav, 1_theo_1\.wav/);
  t.match(
    await initOf(
      'data/0_theo_1.wav',
      few.map(name => `data/${name}`),
      {},
      [],
    ),
    {
      code: 2,
      stderr: /^data\/0_theo_1\.wav: .*not for single files\n *expected: --from data\n/,
    },
  );
  const files = names([WORDS, TAKES], (a, b) => `${a}_${b}.wav`);
  for (const [option, value, stderr] of [
    [
      '--target',
      'word',
      /--target: the names have no part "word"\n.*label \(such as no\), take \(such as 0\)/,
    ],
    ['--time', 'x', /--time: this option is not for data such as data/],
  ] as const)
    t.match(await from(files, option, value), { code: 2, stderr });
});

const TABLES: readonly [
  what: string,
  table: { readonly name: string; readonly text: string; readonly flags?: readonly string[] },
  dataset: object,
  config?: object,
][] = [
  [
    'parts of recordings',
    {
      name: 'segments.csv',
      text: csv(
        'file,start,end,label',
        (name, i) => `${name},0.01,0.08,${wordOf(name, i)}\n${name},0.1,0.2,no`,
      ),
    },
    {
      ...{ kind: 'audio', path: 'segments.csv', path_column: 'file', start: 'start', end: 'end' },
      ...{ target: 'label', target_kind: 'class', features: { kind: 'log_mel', bands: 40 } },
      validation: { fraction: 0.2, group: 'file' },
      test: { fraction: 0.2, group: 'file' },
    },
    { loss: { kind: 'cross_entropy' } },
  ],
  [
    'parts between times under unusual names, beside a number that rises',
    {
      name: 'list.csv',
      text: csv(
        'file,level,begin,finish,label',
        (name, i) => `${name},1,0.01,0.08,${wordOf(name, i)}\n${name},2,0.1,0.2,no`,
      ),
    },
    { start: 'begin', end: 'finish', target: 'label' },
  ],
  [
    'transcripts and speakers',
    {
      name: 'list.tsv',
      text: csv(
        'client_id\tage\tpath\tsentence',
        (name, i) => `${name[0]}x\t${20 + (i % 3)}\t${name}\t${textOf(i)}`,
      ),
    },
    {
      ...{ path: 'list.tsv', delimiter: '\t', path_column: 'path', target: 'sentence' },
      ...{ target_kind: 'sequence', target_level: 'word', start: undefined },
      test: { fraction: 0.2, group: 'client_id' },
    },
    {
      loss: { kind: 'ctc' },
      gates: [{ metric: 'test.token_error_rate', beats: 'trivial' }],
      model: {
        steps: { stack: 2 },
        cell: 'gru',
        hidden_size: 64,
        bidirectional: true,
        head: { from: 'every' },
      },
    },
  ],
  [
    'symbols for nearly every frame',
    {
      name: 'list.csv',
      text: csv('file,text', (name, i) => `${name},${WORDS[i % 3]} a b c d e f g h i${i} j`),
    },
    { target_kind: 'sequence', target_level: 'word' },
    { model: { cell: 'gru', hidden_size: 64, bidirectional: true, head: { from: 'every' } } },
  ],
  [
    'texts of a few words that are said several times',
    {
      name: 'list.csv',
      text: csv('file,said', (name, i) => `${name},${['no', 'yes no', 'no no', 'yes yes', 'no yes'][i % 5]}`),
    },
    { target: 'said', target_kind: 'sequence', target_level: 'word' },
    { loss: { kind: 'ctc' } },
  ],
  [
    'records, with their durations',
    {
      name: 'list.jsonl',
      text: CLIPS.map(
        (name, i) => `${JSON.stringify({ audio: name, duration: 0.2, text: textOf(i) })}\n`,
      ).join(''),
    },
    { path: 'list.jsonl', path_column: 'audio', target: 'text', target_kind: 'sequence', end: undefined },
  ],
  [
    'a column of splits',
    {
      name: 'list.csv',
      text: csv(
        'file,split,word',
        (name, i) => `${name},${['train', 'train', 'dev', 'test', 'train'][i % 5]},${wordOf(name, i)}`,
      ),
    },
    {
      ...{
        target: 'word',
        validation: { column: 'split', is: ['dev'] },
        test: { column: 'split', is: ['test'] },
      },
      test_fraction: undefined,
    },
  ],
  [
    'tables of the other splits',
    { name: 'train.csv', text: csv('file,word', (name, i) => `${name},${wordOf(name, i)}`, CLIPS.slice(4)) },
    { path: 'train.csv', test_path: 'test.csv', test: undefined, validation: { fraction: 0.2 } },
  ],
  [
    'a number',
    {
      name: 'list.csv',
      text: csv('file,loudness', (name, i) => `${name},${i / 7}`),
      flags: ['--target', 'loudness'],
    },
    { target: 'loudness', target_kind: 'value' },
    { loss: { kind: 'mse' }, gates: [{ metric: 'test.mean_absolute_error', beats: 'trivial' }] },
  ],
  [
    'times of what the recordings were cut from',
    { name: 'list.csv', text: csv('file,start,end,word', (name, i) => `${name},7.5,9,${wordOf(name, i)}`) },
    { path_column: 'file', start: undefined, end: undefined, target: 'word' },
  ],
  [
    'rows that are learned from without the recordings',
    {
      name: 'list.csv',
      text: csv('file,x,word', (name, i) => `${name},${i / 7},${wordOf(name, i)}`),
      flags: ['--as', 'rows', '--target', 'word'],
    },
    { kind: 'csv', target: 'word' },
  ],
];

for (const [what, { name, text, flags = [] }, dataset, config = {}] of TABLES)
  t.test(`init of a table of recordings: ${what}`, async t => {
    const test = csv('file,word', (one, i) => `${one},${wordOf(one, i)}`, CLIPS.slice(0, 4));
    const made = await initOf(name, CLIPS, { 'test.csv': test, [name]: text }, flags);
    t.equal(made.code, 0, made.stderr);
    const own = (expected: object, got: object) =>
      Object.fromEntries(Object.keys(expected).map(key => [key, Reflect.get(got, key)]));
    t.same(own(dataset, made.dataset ?? {}), dataset, made.stdout);
    t.same(own(config, made.config ?? {}), config);
  });

const UNUSABLE: readonly [
  what: string,
  of: { readonly files?: readonly string[]; readonly name?: string; readonly text: string },
  stderr: RegExp,
][] = [
  [
    'recordings that do not exist',
    { text: csv('file,word', (name, i) => `${i < 2 ? 'x' : ''}${name},${wordOf(name, i)}`) },
    /list\.csv: file names 2 recordings that do not exist, first in line 2: xa0\.wav\n.*`path_column: file`/,
  ],
  [
    'recordings in a folder, without their ending, and no names of columns',
    {
      files: CLIPS.map(name => `wavs/${name}`),
      text: csv('a0|yes no stop', (name, i) => `${name.slice(0, -4)}|${textOf(i)}`, CLIPS.slice(1)),
    },
    /paths from its folder \(wavs\/NAME\.wav\)\n +expected: a first line such as file\|column2; wavs\/a0\.wav instead of a0$/m,
  ],
  [
    'recordings beside the folder of the table, in another format',
    {
      files: CLIPS.map(name => `clips/${name.replace('wav', 'mp3')}`),
      name: 'meta/list.csv',
      text: csv('file,word', (name, i) => `${name.replace('wav', 'mp3')},${wordOf(name, i)}`),
    },
    /for f in clips\/\*\.mp3; do ffmpeg -i "\$f" "\$\{f%\.\*\}\.wav"; done$/m,
  ],
  [
    'parts with a duration instead of an end',
    { text: csv('file,offset,duration,word', (name, i) => `${name},0.01,0.02,${wordOf(name, i)}`) },
    /duration says how long the part from offset is(?:.|\n)*a column end with offset \+ duration$/m,
  ],
  [
    'parts between times in milliseconds',
    { text: csv('file,t0,t1,word', (name, i) => `${name},10,80,${wordOf(name, i)}\n${name},100,200,no`) },
    /t0 and t1 are in milliseconds(?:.|\n)*columns with t0 \/ 1000 and t1 \/ 1000$/m,
  ],
  [
    'parts without times',
    { text: csv('file,word', (name, i) => `${name},${wordOf(name, i)}\n${name},never`) },
    /line 3 has another word of a0\.wav than a row before it, and no columns say which part/,
  ],
  [
    'only names of recordings',
    { text: csv('file,size', name => `${name},844`) },
    /file names recordings, but no column says what they contain/,
  ],
];

for (const [what, { files = CLIPS, text, name = 'list.csv' }, stderr] of UNUSABLE)
  t.test(`init says what a table of recordings lacks: ${what}`, async t => {
    t.match(await initOf(name, files, { [name]: text }, []), { code: 2, stderr });
  });
