/** What the names of recordings say: the pattern that they match, and its fields. */
import { damagedError, type UserError, usageError } from '../util/errors.js';
import { counted } from '../util/words.js';
import { countsOf } from './columns.js';

/** A part of the names that differs between recordings. */
export interface Field {
  readonly name: string;
  /** Of each recording. */
  readonly values: readonly string[];
  readonly distinct: number;
  readonly isFolder: boolean;
}

export interface NamesRead {
  readonly pattern: string;
  /** Called by what they seem to be: `label`, `speaker`, `take`. */
  readonly fields: readonly Field[];
  /** Names that do not say what most others do. */
  readonly doubt?: string | undefined;
  /** Recordings whose folder says something else than their names. */
  readonly misplaced?: string | undefined;
}

/** Texts and fields of the names in turn; a constant part is text. */
type Part = string | UnnamedField;
type UnnamedField = Omit<Field, 'name'>;

/** The ways to divide a name, the finest first. */
const SEPARATORS = [/([_. -]+)/, /(_+)/, /(-+)/, /(\.+)/, /( +)/];
/** Names of speakers such as `s01` and `Actor_3`, and hashes. */
const SPEAKER = /^(?:(?:speaker|spk|subject|subj|actor|person|user|s|p|id)[-_]?\d+|(?=.*\d)[\da-f]{6,})$/i;
const WHOLE = /^\d+$/;
/** If at least this fraction of the names has one form, the others count as mistakes. */
const NEARLY_ALL = 0.8;
/** Maximum fraction of recordings in a wrong folder. */
const MAX_MISPLACED = 0.05;
const MAX_SHOWN = 3;

/**
 * Reads names of equal depth, such as `yes/anna_1.wav`.
 * @throws UserError (exit 2) that names the odd ones if nearly all say more than all of them do
 */
export function readNames(names: readonly string[], folder: string, list?: string): NamesRead {
  const paths = names.map(name => name.replace(/\.\w+$/, '').split('/'));
  const forms = SEPARATORS.flatMap(separator => formOf(paths, separator) ?? []);
  const whole = forms.find(({ members }) => members.length === names.length);
  const read = patternOf(paths, whole?.separator);
  let doubt: string | undefined;
  for (const { separator, members } of forms) {
    if (members.length === names.length || 2 * members.length < names.length) continue;
    const finer = patternOf(
      members.map(i => paths[i]),
      separator,
    );
    const says = (role: string) => {
      const [more, less] = [finer, read].map(reading => reading?.fields.find(({ name }) => name === role));
      return more !== undefined && members.some((member, i) => more.values[i] !== less?.values[member]);
    };
    if (finer === undefined || !(says('label') || says('speaker'))) continue;
    const known = new Set(members);
    const odd = oddIn(
      names,
      [...names.keys()].filter(i => !known.has(i)),
    );
    const what = `names unlike ${finer.pattern}: ${odd}`;
    if (members.length >= NEARLY_ALL * names.length) throw oddNames(folder, what);
    doubt ??= what;
  }
  if (read === undefined)
    throw withoutLabels(folder, doubt ?? `${counted(names.length, 'name')}: ${firstOf(names)}`, list);
  const misplaced = read.odd.length > 0 ? oddIn(names, read.odd) : undefined;
  const found = doubt === undefined ? read : (patternOf(paths, whole?.separator, false) ?? read);
  return { ...found, doubt, misplaced };
}

function oddIn(names: readonly string[], odd: readonly number[]): string {
  return `${odd.length} of ${names.length} (${firstOf(odd.map(i => names[i]))})`;
}

function oddNames(folder: string, message: string): UserError {
  return usageError('init/names', message, {
    file: folder,
    expected: 'these files renamed or moved out of the folder, or a config by hand with another `pattern`',
  });
}

export function firstOf(names: readonly string[]): string {
  return `${names.slice(0, MAX_SHOWN).join(', ')}${names.length > MAX_SHOWN ? ', …' : ''}`;
}

/**
 * @param got what the names are like
 * @param list a table that lists the recordings
 */
export function withoutLabels(folder: string, got: string, list?: string): UserError {
  return damagedError('init/recordings', 'the names of the recordings do not say a label', {
    file: folder,
    expected: list
      ? `\`init --from ${list}\`, which lists recordings`
      : 'several recordings of each label, in names such as yes_anna_1.wav and yes_ben_1.wav or in a folder for each label, or a table of their paths and labels (`init --from TABLE.csv`)',
    got,
  });
}

/** The most frequent form of names with several parts, and which have it. */
interface Form {
  readonly separator: RegExp;
  readonly members: readonly number[];
}

function formOf(paths: readonly (readonly string[])[], separator: RegExp): Form | undefined {
  const forms = new Map<string, number[]>();
  for (const [i, path] of paths.entries()) {
    const parts = stemOf(path).split(separator);
    if (parts.length === 1) continue;
    const key = JSON.stringify(parts.map((text, k) => (k % 2 === 0 ? '' : text)));
    const members = forms.get(key);
    if (members) members.push(i);
    else forms.set(key, [i]);
  }
  const [members] = [...forms.values()].toSorted((a, b) => b.length - a.length);
  return members && { separator, members };
}

function stemOf(path: readonly string[]): string {
  return path[path.length - 1];
}

/**
 * The pattern of names that all have the same form; undefined if nothing differs. `odd`: those
 * whose folder contradicts them.
 * @param separator undefined: the names without their folders have no form
 * @param mayTellSpeakers false if the names of a speaker may differ in a part that is not read
 */
function patternOf(
  paths: readonly (readonly string[])[],
  separator: RegExp | undefined,
  mayTellSpeakers = true,
): (NamesRead & { readonly odd: readonly number[] }) | undefined {
  const folders = paths[0].slice(0, -1).map((_, depth) =>
    partOf(
      paths.map(path => path[depth]),
      true,
    ),
  );
  const stems = paths.map(stemOf);
  const parts = separator ? divided(stems, separator) : folders.some(isField) ? [partOf(stems)] : [];
  if (parts.length === 0) return undefined;
  // a folder that only repeats a part of the names says nothing more than what the part is
  const repeatedBy = new Map<Part, Part>();
  const odd: number[] = [];
  while (folders.length > 0) {
    const [folder] = folders;
    const [repeated] = parts
      .flatMap(part => {
        const misplaced = misplacedIn(folder, part);
        return misplaced ? [{ part, misplaced }] : [];
      })
      .toSorted((a, b) => a.misplaced.length - b.misplaced.length);
    if (isField(folder) && repeated === undefined) break;
    folders.shift();
    if (repeated === undefined) continue;
    repeatedBy.set(repeated.part, folder);
    odd.push(...repeated.misplaced);
  }
  const all = [...folders.flatMap(folder => [folder, '/']), ...parts];
  const found = all.filter(isField);
  const isTake = (part: UnnamedField) =>
    !part.isFolder &&
    !repeatedBy.has(part) &&
    areNearlyAll(part, WHOLE) &&
    !isUnique(found.filter(other => other !== part));
  const take = found.findLast(isTake);
  const isNamed = (part: UnnamedField) =>
    [part, repeatedBy.get(part)].some(
      value => value !== undefined && isField(value) && areNearlyAll(value, SPEAKER),
    );
  const labels = found.filter(part => part !== take && isLabel(part));
  const label =
    labels.findLast(part => part.isFolder && !isNamed(part)) ??
    labels.find(part => !part.isFolder && !isNamed(part)) ??
    labels[0];
  const speakers = labels.filter(part => mayTellSpeakers && part !== label && isAcross(part, label));
  const speaker = speakers.find(isNamed) ?? speakers.find(part => !areNearlyAll(part, WHOLE)) ?? speakers[0];
  const roles = new Map([
    [take, 'take'],
    [speaker, 'speaker'],
    [label, 'label'],
  ]);
  const nameOf = (part: UnnamedField) =>
    roles.get(part) ?? `${part.isFolder ? 'folder' : 'part'}${found.indexOf(part) + 1}`;
  return {
    pattern: all.map(part => (isField(part) ? `{${nameOf(part)}}` : part)).join(''),
    fields: found.map(part => ({ ...part, name: nameOf(part) })),
    odd,
  };
}

/** The parts of names of one form. */
function divided(stems: readonly string[], separator: RegExp): Part[] {
  const names = stems.map(stem => stem.split(separator));
  const [first] = names;
  const columns = first.map((_, i) => names.map(name => name[i]));
  // text of a pattern must not occur in its fields
  const isElsewhere = (i: number) =>
    i % 2 === 0 && columns.some((values, k) => k !== i && values.some(value => value.includes(first[i])));
  return columns.map((values, i) => (isElsewhere(i) ? fieldOf(values) : partOf(values)));
}

function partOf(values: readonly string[], isFolder = false): Part {
  const field = fieldOf(values, isFolder);
  return field.distinct === 1 ? values[0] : field;
}

function fieldOf(values: readonly string[], isFolder = false): UnnamedField {
  return { values, distinct: new Set(values).size, isFolder };
}

function isField(part: Part): part is UnnamedField {
  return typeof part !== 'string';
}

/** True if several recordings have each value. */
export function isLabel({ distinct, values }: UnnamedField): boolean {
  return distinct > 1 && 2 * distinct <= values.length;
}

function areNearlyAll({ values }: UnnamedField, form: RegExp): boolean {
  return values.filter(value => form.test(value)).length >= NEARLY_ALL * values.length;
}

/** The few recordings whose folder is not that of their part; undefined if these are many. */
function misplacedIn(folder: Part, part: Part): number[] | undefined {
  if (!isField(folder) || !isField(part)) return undefined;
  const counts = countsOf(part.values.map((value, i) => `${value}/${folder.values[i]}`));
  const usual = new Map<string, string>();
  for (const [pair] of [...counts].toSorted((a, b) => a[1] - b[1])) {
    const [value, name] = pair.split('/');
    usual.set(value, name);
  }
  const odd = [...part.values.keys()].filter(i => usual.get(part.values[i]) !== folder.values[i]);
  const tellsFolder = new Set(usual.values()).size === usual.size;
  return tellsFolder && odd.length <= MAX_MISPLACED * part.values.length ? odd : undefined;
}

function isUnique(parts: readonly UnnamedField[]): boolean {
  const [first] = parts;
  if (first === undefined) return false;
  const keys = first.values.map((_, i) => parts.map(({ values }) => values[i]).join('/'));
  return new Set(keys).size === keys.length;
}

/** True if values of the part occur with several labels. */
function isAcross(part: UnnamedField, label: UnnamedField): boolean {
  return new Set(part.values.map((value, i) => `${value}/${label.values[i]}`)).size > part.distinct;
}
