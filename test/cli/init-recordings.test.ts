/** `init` for folders of recordings. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import t from 'tap';
import { parse } from 'yaml';
import { Workplace } from '../support/cli.js';
import { callInProcess } from '../support/in-process.js';
import { tone, wav } from '../support/wav.js';

const work = new Workplace();
t.teardown(() => work.remove());

/** Writes short recordings, and returns what `init` makes of their folder. */
async function from(names: readonly string[], ...flags: string[]) {
  const cwd = work.folder();
  for (const [i, name] of names.entries()) {
    const path = join(cwd, 'data', name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, /\.wav$/i.test(name) ? wav(tone(200 + 10 * (i % 7), 400)) : 'text');
  }
  const ended = await callInProcess(['init', 'new.yaml', '--from', 'data', ...flags], { ...work.place, cwd });
  const config = ended.code === 0 ? parse(readFileSync(join(cwd, 'new.yaml'), 'utf8')) : undefined;
  return { ...ended, dataset: config?.dataset };
}

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

const CASES: readonly [what: string, files: readonly string[], flags: readonly string[], dataset: object][] =
  [
    [
      'label, speaker and take in the names',
      [...names([WORDS, PEOPLE, TAKES], (a, b, c) => `${a}_${b}_${c}.wav`), 'README.md'],
      [],
      { path: 'data/*.wav', pattern: '{label}_{speaker}_{take}', target: 'label', ...ofSpeakers },
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
  [
    'a recording in the folder of another speaker',
    [...OF_ACTORS, '01/yes-02-9.wav'],
    'recordings whose folder contradicts their name: 1 of 61 (01/yes-02-9.wav)',
  ],
] as const)
  t.test(`init names recordings unlike the others: ${what}`, async t => {
    const made = await from(files);
    t.match(made, { code: 2, stdout: '' }, made.stdout);
    t.equal(made.stderr.split('\n')[0], `data: ${message}`);
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

t.test('init says what it cannot read', async t => {
  t.match(await from(['one.wav', 'two words.wav', 'a_b_c.wav']), {
    code: 5,
    stderr: /data: the names of the recordings do not say a label/,
  });
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
