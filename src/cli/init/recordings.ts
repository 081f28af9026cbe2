/** Folders of recordings: what their names say, and the config that follows from it. */
import { basename, join } from 'node:path';
import { glob } from 'tinyglobby';
import { Problems } from '../../data/core/problems.js';
import { WavFile } from '../../data/formats/wav.js';
import { RangedFile } from '../../data/reading/ranged-file.js';
import { usageError } from '../../util/errors.js';
import { grouped, rounded } from '../../util/numbers.js';
import { counted } from '../../util/words.js';
import { countsOf } from './columns.js';
import { labelled, type OtherReading } from './description.js';
import { MIN_SUBJECTS } from './names.js';
import { apart, batchSize, type Plan, scalar } from './plan.js';
import type { Choice } from './readings.js';
import { type Field, firstOf, isLabel, readNames, withoutLabels } from './recording-names.js';

/** Recordings of a folder, in it or in its subfolders. */
export interface Recordings {
  /** That of the training split, if the splits have folders. */
  readonly folder: string;
  /** Their paths from it, all equally deep. */
  readonly names: readonly string[];
  /** Those in other folders. */
  readonly others: readonly string[];
  /** A pattern that matches `names`. */
  readonly glob: string;
  /** The folders of other splits. */
  readonly splits: readonly { readonly split: 'validation' | 'test'; readonly file: string }[];
}

/** The recordings of a folder or of its subfolders; undefined without any. */
export async function recordingsIn(folder: string): Promise<Recordings | undefined> {
  const found = await glob(['*.wav', '*/*.wav', '*/*/*.wav'], { cwd: folder, caseSensitiveMatch: false });
  if (found.length === 0) return undefined;
  const depthOf = (name: string): number => name.split('/').length;
  const depths = [1, 2, 3].map(depth => found.filter(name => depthOf(name) === depth));
  const all = depths.reduce((most, some) => (some.length > most.length ? some : most)).toSorted();
  const { train = '', validation, test } = splitFolders(all);
  const folders = [train, validation, test].filter(name => name !== undefined);
  const read = new Set(train === '' ? all : all.filter(name => folders.includes(topOf(name))));
  const names =
    train === '' ? all : all.filter(name => topOf(name) === train).map(name => name.slice(train.length + 1));
  const endings = [...new Set(all.map(name => name.slice(name.lastIndexOf('.') + 1)))];
  const ending = endings.length === 1 ? endings[0] : `{${endings.join(',')}}`;
  return {
    folder: join(folder, train),
    names,
    others: found.filter(name => !read.has(name)).toSorted(),
    glob: `${'*/'.repeat(depthOf(names[0]) - 1)}*.${ending}`,
    splits: Object.entries({ validation, test }).flatMap(([split, name]) =>
      name === undefined ? [] : [{ split: split as 'validation' | 'test', file: join(folder, name) }],
    ),
  };
}

const SPLITS = { train: /^train(ing)?$/i, validation: /^(val(id(ation)?)?|dev)$/i, test: /^test(ing)?$/i };

function topOf(name: string): string {
  return name.slice(0, Math.max(0, name.indexOf('/')));
}

/** The folders of the splits, if most recordings are in such folders. */
function splitFolders(names: readonly string[]): Partial<Record<keyof typeof SPLITS, string>> {
  const counts = countsOf(names.map(topOf));
  const found = Object.entries(SPLITS).flatMap(([split, usual]) => {
    const folder = [...counts.keys()].find(one => usual.test(one));
    return folder === undefined ? [] : [[split, folder] as const];
  });
  const inside = found.reduce((sum, [, folder]) => sum + (counts.get(folder) ?? 0), 0);
  return 2 * inside > names.length && found[0][0] === 'train' ? Object.fromEntries(found) : {};
}

/** @param path all of them, as the config names them */
export async function recordingsPlan(
  { folder, names, others }: Recordings,
  path: string,
  choice: Choice,
): Promise<{ plan: Plan; lines: string[]; others: OtherReading[] }> {
  const { pattern, fields, doubt } = readNames(names, folder);
  const target = fieldNamed('target', choice.target, fields) ?? fields.find(({ name }) => name === 'label');
  if (target === undefined) throw withoutLabels(folder, `names such as ${names[0]}`);
  const asked = fieldNamed('group', choice.group, fields);
  const speaker = asked ?? fields.find(({ name }) => name === 'speaker');
  const isApart = speaker !== undefined && speaker !== target && (asked || speaker.distinct >= MIN_SUBJECTS);
  const { seconds, rates } = await heardIn(names.map(name => join(folder, name)));
  const count = names.length;
  const values = {
    description: scalar(`A GRU recognizes the ${target.name} of recordings in ${basename(folder)}.`),
    path: scalar(path),
    pattern: JSON.stringify(pattern),
    target: scalar(target.name),
    classes: target.distinct,
    rate: rates.length > 1 && Math.min(...rates),
    validation: 0.2,
    by: '',
    test_fraction: 0.2,
    ...(isApart && apart(speaker.name)),
    epochs: count < 500 ? 30 : count < 5000 ? 15 : 5,
    batch_size: batchSize(0.6 * count),
  };
  const lines: readonly (readonly [label: string, text: string | false | undefined])[] = [
    ['recordings', `${grouped(count)}, ${rounded(seconds / 60)} minutes at ${rates.join(', ')} Hz`],
    ['names', pattern],
    ['target', `${target.name} (${target.distinct} classes: ${firstOf([...new Set(target.values)])})`],
    [
      'splits',
      isApart &&
        `no ${speaker.name} is in two of them (${speaker.distinct}): without \`group: ${speaker.name}\`, the test set would have voices of the training set`,
    ],
    [
      'left out',
      others.length > 0 && `${counted(others.length, 'recording')} in other folders: ${firstOf(others)}`,
    ],
    [
      'note',
      speaker !== undefined &&
        !isApart &&
        speaker !== target &&
        `${counted(speaker.distinct, speaker.name)} cannot be divided among the splits, so the test set has voices of the training set`,
    ],
    [
      'note',
      doubt && `${doubt}, so what these say is not read: the test set may have voices of the training set`,
    ],
    ['because', reasons(target, speaker)],
  ];
  return {
    plan: { template: 'voice', values },
    lines: lines.flatMap(([label, text]) => (text ? [labelled(label, text)] : [])),
    others: fields
      .filter(field => field !== target && field.name !== 'take' && isLabel(field))
      .slice(0, 2)
      .map(({ name }) => ({ flags: `--target ${name}`, what: `class ${name} of each recording` })),
  };
}

function reasons(target: Field, speaker: Field | undefined): string {
  const where = target.isFolder
    ? `every ${target.name} has a folder`
    : `${target.values[0]} and the others are a part of the names`;
  if (speaker === undefined || speaker === target) return where;
  return `${where}; ${speaker.values[0]} and the other ${speaker.name}s occur with several of them`;
}

function fieldNamed(role: string, name: string | undefined, fields: readonly Field[]): Field | undefined {
  const found = fields.find(field => field.name === name);
  if (found || name === undefined) return found;
  throw usageError('init/no-column', `the names have no part ${JSON.stringify(name)}`, {
    file: `--${role}`,
    expected: fields.map(field => `${field.name} (such as ${field.values[0]})`).join(', '),
  });
}

/** Reads the headers of recordings. @throws UserError (exit 5) with all that are damaged */
async function heardIn(files: readonly string[]) {
  const problems = new Problems(true);
  const rates = new Set<number>();
  let seconds = 0;
  for (const file of files) {
    const bytes = await RangedFile.open(file);
    problems.attempt(() => {
      const { rate, length } = new WavFile(bytes);
      rates.add(rate);
      seconds += length / rate;
    });
  }
  problems.throwIfAny();
  return { seconds, rates: [...rates].toSorted((a, b) => a - b) };
}
