/** `init`: the evidence by which tables are read: one shape, with a label in many forms. */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import t from 'tap';
import { parse } from 'yaml';
import { callInProcess } from '../support/in-process.js';
import { work } from '../support/work.js';

const SPEAKERS = 9;
const RECORDINGS = 90;
/** Coefficients of each step. */
const C = ['c1', 'c2', 'c3', 'c4', 'c5', 'c6', 'c7', 'c8', 'c9', 'c10', 'c11', 'c12'];

/** Cells of a step by name of column; recordings have 7 to 29 steps. */
const CELLS: Readonly<Record<string, (recording: number, step: number) => string | number>> = {
  recording: recording => recording,
  step: (_, step) => step,
  speaker: recording => Math.floor((recording * SPEAKERS) / RECORDINGS) + 1,
  shuffled: recording => 1 + ((recording * 7) % SPEAKERS),
  word: recording => ['low', 'mid', 'high'][(recording * recording) % 3],
  initial: recording => `s${1 + ((recording * 7) % SPEAKERS)}`,
  score: recording => `${(recording * 37) % 101}.${recording % 10}`,
  tag: (recording, step) => ['rest', 'move'][(recording + (step >> 2)) % 2],
};

function cellOf(column: string, recording: number, step: number): string | number {
  const k = C.indexOf(column);
  return k < 0
    ? CELLS[column](recording, step)
    : Math.sin((k + 1) * recording + 1.7 * step * step).toFixed(3);
}

/** What `init` reads in columns of recordings; `=` precedes their names. */
async function read(columns: string) {
  const list = columns.split(' ').map(one => one.split('='));
  const rows = Array.from({ length: RECORDINGS }, (_, recording) =>
    Array.from({ length: 7 + ((recording * 5) % 23) }, (_, step) =>
      list.map(([column]) => cellOf(column, recording, step)).join(),
    ),
  ).flat();
  const header = list.map(([column, name = column]) => name).join();
  const cwd = dirname(work.file('table.csv', `${[header, ...rows].join('\n')}\n`));
  const call = (...args: string[]) => callInProcess(args, { ...work.place, cwd });
  const made = await call('init', '--from', 'table.csv');
  const path = join(cwd, 'table.cellrun.yaml');
  const config = existsSync(path) ? parse(readFileSync(path, 'utf8')) : undefined;
  return { ...made, dataset: config?.dataset, valid: (await call('validate', 'table.cellrun.yaml')).code };
}

const ALL = C.join(' ');
const CLASS = { target_kind: 'class', sequence: { group: 'recording', order: 'step', per_step: undefined } };

/** Columns, and what a person would expect to be predicted. */
const EXPECTED: readonly (readonly [columns: string, dataset: object])[] = [
  [`recording step ${ALL} speaker`, { ...CLASS, target: 'speaker', features: C }],
  [`speaker recording step ${ALL}`, { ...CLASS, target: 'speaker' }],
  [`recording step speaker ${ALL}`, { ...CLASS, target: 'speaker' }],
  [`recording step ${ALL} shuffled=speaker`, { ...CLASS, target: 'speaker' }],
  [`recording step ${ALL} shuffled=id_speaker`, { ...CLASS, target: 'id_speaker' }],
  [`recording step ${ALL} initial=speaker`, { ...CLASS, target: 'speaker' }],
  [`recording ${ALL} speaker`, { target: 'speaker', sequence: { group: 'recording', order: undefined } }],
  [`recording step c1 c2 c3 shuffled=user`, { ...CLASS, target: 'user' }],
  ...['y', 'class', 'label', 'vowel', 'Ziel'].flatMap(
    name =>
      [
        [`recording step ${ALL} shuffled=${name}`, { ...CLASS, target: name }],
        [`shuffled=${name} recording step ${ALL}`, { ...CLASS, target: name }],
        [`recording step ${ALL} word=${name}`, { ...CLASS, target: name }],
        [`word=${name} recording step ${ALL}`, { ...CLASS, target: name }],
      ] as const,
  ),
  // who speaks is a class if nothing else is one
  [`recording step ${ALL} word=label speaker`, { ...CLASS, target: 'label' }],
  [`recording step ${ALL} speaker word=label`, { ...CLASS, target: 'label', test: { group: 'speaker' } }],
  [`recording step ${ALL} word=vowel speaker`, { ...CLASS, target: 'vowel' }],
  [
    `recording step ${ALL} score`,
    { target: 'score', target_kind: 'value', sequence: { per_step: undefined } },
  ],
  [
    `score recording step ${ALL}`,
    { target: 'score', target_kind: 'value', sequence: { per_step: undefined } },
  ],
  [`recording step ${ALL} tag`, { target: 'tag', sequence: { group: 'recording', per_step: true } }],
  [`tag recording step ${ALL}`, { target: 'tag', sequence: { group: 'recording', per_step: true } }],
];

for (const [columns, dataset] of EXPECTED)
  t.test(columns.replace(ALL, 'c1…c12'), async t => {
    const found = await read(columns);
    t.match(found, { code: 0, dataset, valid: 0 }, found.stdout + found.stderr);
  });
