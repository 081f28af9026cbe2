/** Folders of recordings: what their names say, and the config that follows from it. */

import { basename, join } from 'node:path';
import { glob } from 'tinyglobby';
import { Problems } from '../data/core/problems.js';
import { unconverted, WavFile } from '../data/formats/wav.js';
import { AUDIO_NAME } from '../data/reading/facts.js';
import { RangedFile } from '../data/reading/ranged-file.js';
import { usageError } from '../util/errors.js';
import { grouped, rounded } from '../util/numbers.js';
import { counted, quoted } from '../util/words.js';
import { countsOf } from './columns.js';
import { labelled, type OtherReading } from './description.js';
import { MIN_SUBJECTS } from './names.js';
import { apart, type Plan, scalar, taskPlan } from './plan.js';
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
  /** Says which are no WAV files. */
  readonly unread: string | false;
  /** A pattern that matches `names`. */
  readonly glob: string;
  /** The folders of other splits. */
  readonly splits: readonly { readonly split: 'validation' | 'test'; readonly file: string }[];
}

/**
 * The recordings of a folder or of its subfolders; undefined without any.
 * @throws UserError (exit 2) if none is a WAV file
 */
export async function recordingsIn(folder: string): Promise<Recordings | undefined> {
  const files = await glob(['*', '*/*', '*/*/*'], { cwd: folder });
  const found = files.filter(name => /\.wav$/i.test(name));
  const unread = unconverted(files)
    .filter(name => AUDIO_NAME.test(name) && !/\.wav$/i.test(name))
    .toSorted();
  if (found.length === 0) {
    if (unread.length === 0 || 2 * unread.length < files.length) return undefined;
    throw usageError(
      'init/recordings',
      `the folder has ${counted(unread.length, 'recording')}, but no WAV file`,
      {
        file: folder,
        expected: `WAV; to convert them: ${conversionOf(folder, unread)}`,
        got: firstOf(unread),
      },
    );
  }
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
    unread:
      unread.length > 0 &&
      `${counted(unread.length, 'recording')} in other formats (${firstOf(unread)}); to convert them: ${conversionOf(folder, unread)}`,
    glob: `${'*/'.repeat(depthOf(names[0]) - 1)}*.${ending}`,
    splits: Object.entries({ validation, test }).flatMap(([split, name]) =>
      name === undefined ? [] : [{ split: split as 'validation' | 'test', file: join(folder, name) }],
    ),
  };
}

/** Names of splits. */
export const SPLITS = {
  train: /^train(ing)?$/i,
  validation: /^(val(id(ation)?)?|dev)$/i,
  test: /^test(ing)?$/i,
};

function topOf(name: string): string {
  return name.slice(0, Math.max(0, name.indexOf('/')));
}

/** The folders of the splits, if most recordings are in such folders. */
function splitFolders(names: readonly string[]): Partial<Record<keyof typeof SPLITS, string>> {
  const counts = countsOf(names.map(topOf));
  const found = Object.entries(SPLITS).flatMap(([split, usual]) => {
    const folder = [...counts.keys()].find(key => usual.test(key));
    return folder === undefined ? [] : [[split, folder] as const];
  });
  const inside = found.reduce((sum, [, folder]) => sum + (counts.get(folder) ?? 0), 0);
  return 2 * inside > names.length && found[0][0] === 'train' ? Object.fromEntries(found) : {};
}

/**
 * @param path all of them, as the config names them
 * @param list a table in their folder that lists them
 */
export async function recordingsPlan(
  { folder, names, others, unread }: Recordings,
  path: string,
  choice: Choice,
  list?: string,
): Promise<{ plan: Plan; lines: string[]; others: OtherReading[] }> {
  const { pattern, fields, doubt, misplaced } = readNames(names, folder, list);
  const target = fieldNamed('target', choice.target, fields) ?? fields.find(({ name }) => name === 'label');
  if (target === undefined)
    throw withoutLabels(folder, `${counted(names.length, 'name')}: ${firstOf(names)}`, list);
  const asked = fieldNamed('group', choice.group, fields);
  const speaker = asked ?? fields.find(({ name }) => name === 'speaker');
  const isKept = asked !== undefined || (speaker !== undefined && speaker.distinct >= MIN_SUBJECTS);
  const isApart = speaker !== target && isKept;
  const heard = await heardIn(names.map(name => join(folder, name)));
  const plan = voicePlan({
    description: `A GRU recognizes the ${target.name} of recordings in ${basename(folder)}.`,
    path,
    target: target.name,
    kind: 'class',
    classes: target.distinct,
    count: names.length,
    heard,
    speaker: isApart ? speaker : undefined,
    values: { pattern: JSON.stringify(pattern) },
  });
  const lines: readonly Line[] = [
    ['recordings', `${grouped(names.length)}, ${lengthOf(heard)}`],
    ['names', pattern],
    ['target', `${target.name} (${classesIn(target.values)})`],
    [
      'left out',
      others.length > 0 && `${counted(others.length, 'recording')} in other folders: ${firstOf(others)}`,
    ],
    ['left out', unread],
    ...splitLines(speaker === target ? undefined : speaker, isApart),
    [
      'note',
      doubt && `${doubt}, so what these say is not read: the test set may have voices of the training set`,
    ],
    [
      'note',
      misplaced &&
        `${misplaced} are in a folder that contradicts their name: what the name says is read, so rename those that are wrong`,
    ],
    ['note', list && `${list} lists recordings: init --from ${quoted(list)} reads what it says of them`],
    ['because', reasons(target, speaker)],
  ];
  return {
    plan,
    lines: printed(lines),
    others: fields
      .filter(field => field !== target && field.name !== 'take' && isLabel(field))
      .slice(0, 2)
      .map(({ name }) => ({ choice: { target: name }, what: `class ${name} of each recording` })),
  };
}

/** The command that converts recordings of a folder. */
export function conversionOf(folder: string, names: readonly string[]): string {
  const patterns = names.map(name => `${name.replaceAll(/[^/]+\//g, '*/').replace(/[^/]+(?=\.)/, '*')}`);
  const files = [...new Set(patterns)].map(pattern => `${quoted(folder.replace(/\/$/, ''))}/${pattern}`);
  return `for f in ${files.join(' ')}; do ffmpeg -i "$f" "\${f%.*}.wav"; done`;
}

/** One each for training, validation and test. */
const MIN_GROUPS = 3;

/** A label and what it says; nothing if that is not a text. */
export type Line = readonly [label: string, text: string | false | undefined];

export function printed(lines: readonly Line[]): string[] {
  return lines.flatMap(([label, text]) => (text ? [labelled(label, text)] : []));
}

export function classesIn(values: readonly string[]): string {
  const classes = [...new Set(values)];
  return `${classes.length} classes: ${firstOf(classes)}`;
}

/** @param isApart true if each of these is in one split */
export function splitLines(
  by: { readonly name: string; readonly distinct: number } | undefined,
  isApart: boolean,
): Line[] {
  if (by === undefined) return [];
  const { name, distinct } = by;
  return isApart
    ? [
        [
          'splits',
          `no ${name} is in two of them (${distinct}): without \`group: ${name}\`, the test set would have voices of the training set`,
        ],
      ]
    : [
        [
          'note',
          `${counted(distinct, name)} are few to learn from, so the test set has voices of the training set${distinct < MIN_GROUPS ? '' : `; --group ${quoted(name)} keeps each in one split`}`,
        ],
      ];
}

interface Voices {
  readonly description: string;
  readonly path: string;
  readonly target: string;
  readonly kind: 'class' | 'value' | 'sequence';
  readonly classes: number;
  /** Of a target that is a sequence. */
  readonly level?: 'word' | 'character' | undefined;
  /** Number of recordings or parts. */
  readonly count: number;
  readonly heard: Heard;
  /** The column of speakers who are in one split each. */
  readonly speaker?: { readonly name: string; readonly distinct: number } | undefined;
  /** Values of other placeholders. */
  readonly values: Plan['values'];
}

/**
 * Recordings of a speaker from which on the features are scaled over them: of fewer, what is said
 * decides the scale. Frames that the cell then reads at once.
 */
const [MIN_OF_SPEAKER, SPEAKER_STACK] = [50, 3];

export function voicePlan({ kind, count, heard: { lengths, rates }, speaker, ...voices }: Voices): Plan {
  const isWritten = kind === 'sequence';
  const isScaled = speaker !== undefined && kind === 'class' && count >= MIN_OF_SPEAKER * speaker.distinct;
  const task = {
    target: voices.target,
    targetKind: kind,
    classes: voices.classes,
    targetLevel: isWritten ? voices.level : undefined,
    perStep: false,
    inputKind: 'number',
    sequences: count,
    steps: 1,
  } as const;
  const { values } = taskPlan(voices.path, task, {
    description: scalar(voices.description),
    target: scalar(voices.target),
    rate: rates.length > 1 && Math.min(...rates),
    ...(speaker && apart(scalar(speaker.name))),
    speaker: isScaled && scalar(speaker.name),
    bidirectional: (isWritten || isScaled) && 'true',
    from: isWritten ? 'every' : 'mean',
    ...(isWritten && { loss: 'ctc' }),
    epochs: count < 500 ? 30 : count < 5000 ? 15 : 5,
    bucket_by_length: isWritten && new Set(lengths).size > 1 && 'true',
    ...voices.values,
    ...(isScaled && { stack: SPEAKER_STACK }),
  });
  return { template: 'voice', values };
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

/** What the headers of recordings say. */
export interface Heard {
  /** Of each recording, in seconds. */
  readonly lengths: readonly number[];
  /** From low to high. */
  readonly rates: readonly number[];
}

/** @param seconds default: of the whole recordings */
export function lengthOf(
  { lengths, rates }: Heard,
  seconds = lengths.reduce((sum, length) => sum + length, 0),
): string {
  return `${rounded(seconds / 60)} minutes at ${rates.join(', ')} Hz`;
}

/** Reads the headers of recordings. @throws UserError (exit 5) with all that are damaged */
export async function heardIn(files: readonly string[]): Promise<Heard> {
  const problems = new Problems(true);
  const rates = new Set<number>();
  const lengths: number[] = [];
  for (const file of files) {
    const bytes = await RangedFile.open(file);
    problems.attempt(() => {
      const { rate, length } = new WavFile(bytes);
      rates.add(rate);
      lengths.push(length / rate);
    });
  }
  problems.throwIfAny();
  return { lengths, rates: [...rates].toSorted((a, b) => a - b) };
}
