/** Folders of recordings: what their names say, and the config that follows from it. */
import { basename, join } from 'node:path';
import { glob } from 'tinyglobby';
import { Problems } from '../../data/core/problems.js';
import { WavFile } from '../../data/formats/wav.js';
import { RangedFile } from '../../data/reading/ranged-file.js';
import { damagedError, usageError } from '../../util/errors.js';
import { grouped, rounded } from '../../util/numbers.js';
import { counted } from '../../util/words.js';
import { labelled, type OtherReading } from './description.js';
import { apart, batchSize, type Plan, scalar } from './plan.js';
import type { Choice } from './readings.js';
import { MIN_SUBJECTS } from './subjects.js';

/** Recordings of a folder, in it or in its subfolders. */
export interface Recordings {
  /** That of the training split, if the splits have folders. */
  readonly folder: string;
  /** Their paths from it, all equally deep. */
  readonly names: readonly string[];
  /** Number of those at other depths. */
  readonly others: number;
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
  const start = train === '' ? '' : `${train}/`;
  const names = all.flatMap(name => (name.startsWith(start) ? [name.slice(start.length)] : []));
  const endings = [...new Set(all.map(name => name.slice(name.lastIndexOf('.') + 1)))];
  const ending = endings.length === 1 ? endings[0] : `{${endings.join(',')}}`;
  return {
    folder: join(folder, train),
    names,
    others: found.length - all.length,
    glob: `${'*/'.repeat(depthOf(names[0]) - 1)}*.${ending}`,
    splits: Object.entries({ validation, test }).flatMap(([split, name]) =>
      name === undefined ? [] : [{ split: split as 'validation' | 'test', file: join(folder, name) }],
    ),
  };
}

const SPLITS = { train: /^train(ing)?$/i, validation: /^(val(id(ation)?)?|dev)$/i, test: /^test(ing)?$/i };

/** The folders of the splits, if all recordings are in such folders. */
function splitFolders(names: readonly string[]): Partial<Record<keyof typeof SPLITS, string>> {
  const folders = [...new Set(names.map(name => name.slice(0, Math.max(0, name.indexOf('/')))))];
  const found = Object.entries(SPLITS).flatMap(([split, usual]) => {
    const folder = folders.find(one => usual.test(one));
    return folder === undefined ? [] : [[split, folder] as const];
  });
  return found.length === folders.length && found[0][0] === 'train' ? Object.fromEntries(found) : {};
}

/** A part of the names that differs between recordings. */
interface Field {
  readonly name: string;
  /** Of each recording. */
  readonly values: readonly string[];
  readonly distinct: number;
  readonly isFolder: boolean;
}

/** Texts and fields of the names in turn; a constant part is text. */
type Part = string | Omit<Field, 'name'>;

/** The ways to divide a name, the finest first. */
const SEPARATORS = [/([_. -]+)/, /(_+)/, /(-+)/, /(\.+)/, /( +)/];
/** Names of speakers such as `s01` and `Actor_3`, and hashes. */
const SPEAKER = /^(?:(?:speaker|spk|subject|subj|actor|person|user|s|p|id)[-_]?\d+|(?=.*\d)[\da-f]{6,})$/i;
const WHOLE = /^\d+$/;

/** @param path all of them, as the config names them */
export async function recordingsPlan(
  { folder, names, others }: Recordings,
  path: string,
  choice: Choice,
): Promise<{ plan: Plan; lines: string[]; others: OtherReading[] }> {
  const { pattern, fields } = patternOf(names, folder);
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
  const usual = [...new Set(target.values)].slice(0, 3).join(', ');
  const lines: readonly (readonly [label: string, text: string | false | undefined])[] = [
    ['recordings', `${grouped(count)}, ${rounded(seconds / 60)} minutes at ${rates.join(', ')} Hz`],
    ['names', pattern],
    ['target', `${target.name} (${target.distinct} classes: ${usual}${target.distinct > 3 ? ', …' : ''})`],
    [
      'splits',
      isApart &&
        `no ${speaker.name} is in two of them (${speaker.distinct}): without \`group: ${speaker.name}\`, the test set would have voices of the training set`,
    ],
    ['left out', others > 0 && `${counted(others, 'recording')} in folders of another depth`],
    [
      'note',
      speaker !== undefined &&
        !isApart &&
        speaker !== target &&
        `${counted(speaker.distinct, speaker.name)} cannot be divided among the splits, so the test set has voices of the training set`,
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

function withoutLabels(folder: string, got: string) {
  return damagedError('init/recordings', 'the names of the recordings do not say a label', {
    file: folder,
    expected:
      'names such as yes_anna_1.wav, a folder for each label, or a config with `path_column` and a table of their paths and labels',
    got,
  });
}

/** Whether several recordings have each value. */
function isLabel({ distinct, values }: Pick<Field, 'distinct' | 'values'>): boolean {
  return distinct > 1 && 2 * distinct <= values.length;
}

/** The pattern that all names match, and its fields, called by what they seem to be. */
function patternOf(names: readonly string[], folder: string) {
  const paths = names.map(name => name.replace(/\.\w+$/, '').split('/'));
  const stems = paths.map(path => path.at(-1) as string);
  const folders = paths[0].slice(0, -1).map((_, depth) =>
    partOf(
      paths.map(path => path[depth]),
      true,
    ),
  );
  const parts = dividedNames(stems) ?? (folders.some(one => typeof one !== 'string') ? [partOf(stems)] : []);
  if (parts.length === 0) throw withoutLabels(folder, `names of several forms, such as ${names[0]}`);
  // a folder that only repeats a part of the names says nothing more than what the part is
  const repeatedBy = new Map<Part, Part>();
  while (folders.length > 0) {
    const repeated = parts.find(part => isSame(part, folders[0]));
    if (typeof folders[0] !== 'string' && repeated === undefined) break;
    const folder = folders.shift() as Part;
    if (repeated) repeatedBy.set(repeated, folder);
  }
  const all = [...folders.flatMap(one => [one, '/']), ...parts];
  const found = all.filter(part => typeof part !== 'string');
  const isTake = (part: (typeof found)[number]) =>
    !part.isFolder &&
    !repeatedBy.has(part) &&
    part.values.every(value => WHOLE.test(value)) &&
    !isUnique(found.filter(other => other !== part));
  const take = found.findLast(isTake);
  const isNamed = (part: (typeof found)[number]) =>
    [part, repeatedBy.get(part)].some(
      one => typeof one === 'object' && one.values.every(value => SPEAKER.test(value)),
    );
  const labels = found.filter(part => part !== take && isLabel(part));
  const label =
    labels.findLast(part => part.isFolder && !isNamed(part)) ??
    labels.find(part => !part.isFolder && !isNamed(part)) ??
    labels[0];
  const speakers = labels.filter(part => part !== label && isAcross(part, label));
  const speaker =
    speakers.find(isNamed) ??
    speakers.find(part => part.values.some(value => !WHOLE.test(value))) ??
    speakers[0];
  const nameOf = (part: (typeof found)[number]) => {
    const roles = [
      ['label', label],
      ['speaker', speaker],
      ['take', take],
    ] as const;
    const role = roles.find(([, one]) => one === part)?.[0];
    return role ?? `${part.isFolder ? 'folder' : 'part'}${found.indexOf(part) + 1}`;
  };
  return {
    pattern: all.map(part => (typeof part === 'string' ? part : `{${nameOf(part)}}`)).join(''),
    fields: found.map((part): Field => ({ ...part, name: nameOf(part) })),
  };
}

/** The parts of names that all have the same form; undefined if they have not. */
function dividedNames(stems: readonly string[]): Part[] | undefined {
  for (const separator of SEPARATORS) {
    const divided = stems.map(stem => stem.split(separator));
    const [first] = divided;
    const isAlike = (one: readonly string[]) =>
      one.length === first.length && one.every((text, i) => i % 2 === 0 || text === first[i]);
    if (first.length === 1 || !divided.every(isAlike)) continue;
    const columns = first.map((_, i) => divided.map(one => one[i]));
    // text of a pattern must not occur in its fields
    const isElsewhere = (i: number) =>
      i % 2 === 0 && columns.some((values, k) => k !== i && values.some(value => value.includes(first[i])));
    return columns.map((values, i) => (isElsewhere(i) ? fieldOf(values) : partOf(values)));
  }
  return undefined;
}

function partOf(values: readonly string[], isFolder = false): Part {
  const field = fieldOf(values, isFolder);
  return field.distinct === 1 ? values[0] : field;
}

function fieldOf(values: readonly string[], isFolder = false): Exclude<Part, string> {
  return { values, distinct: new Set(values).size, isFolder };
}

/** True if each of the parts tells the other. */
function isSame(a: Part, b: Part): boolean {
  if (typeof a === 'string' || typeof b === 'string' || a.distinct !== b.distinct) return false;
  return new Set(a.values.map((value, i) => `${value}/${b.values[i]}`)).size === a.distinct;
}

function isUnique(parts: readonly Exclude<Part, string>[]): boolean {
  const [first] = parts;
  if (first === undefined) return false;
  const keys = first.values.map((_, i) => parts.map(({ values }) => values[i]).join('/'));
  return new Set(keys).size === keys.length;
}

/** True if values of the part occur with several labels. */
function isAcross(part: Exclude<Part, string>, label: Exclude<Part, string>): boolean {
  return new Set(part.values.map((value, i) => `${value}/${label.values[i]}`)).size > part.distinct;
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
