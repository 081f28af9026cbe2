/** What `init` says of a table: what it is taken for and why, and what else it could be. */

import { MARKERS, ZONED } from '../data/core/cells.js';
import { BLOCK } from '../data/formats/archives.js';
import { grouped } from '../util/numbers.js';
import { counted } from '../util/words.js';
import { type Column, isFactOf, withoutValue } from './columns.js';
import { READINGS } from './evidence.js';
import { areScattered, contradictionsIn } from './layout.js';
import { classesOf, holesOf, listsMissing, markersOf, missingClassesOf } from './missing.js';
import { columnsOf, levelOfTargets } from './plan.js';
import {
  type Choice,
  endingsOf,
  isEncoded,
  isSequence,
  knownOf,
  lacksTargets,
  type Reading,
  unevenTimes,
} from './readings.js';
import { seasonOf } from './seasons.js';
import { subjectProblem, tellsSubjects } from './subjects.js';

export function described(reading: Reading): string[] {
  const { kind, layout, target, isClass, features, inputKind, unused, why, subject, regular } = reading;
  const { group, order, rows } = layout;
  const isSeries = kind === 'series';
  const sort =
    kind === 'pairs'
      ? `a sequence of ${levelOfTargets(target.cells)}s`
      : isClass
        ? `${classesOf(reading)} classes`
        : 'a number';
  const sequences =
    group === undefined ? 'every row' : `${grouped(rows.length)}, the rows of each ${namedWithin(group)}`;
  const hasMissing = listsMissing(reading) || missingClassesOf(reading).length === 0;
  const unlabelled = target.gaps && hasMissing ? `: ${target.gaps}, which is not counted` : '';
  const [blank, ...blanks] = inputKind === 'text' ? emptyIn(features[0]) : [];
  const names = order?.columns.map(({ name }) => name) ?? [];
  const known = isSeries ? knownOf(reading) : [];
  const ahead = (reading.future ?? []).reduce((sum, rows) => sum + rows.length, 0);
  const read = features.filter(feature => !known.includes(feature));
  const listed = (columns: readonly Column[]) =>
    columns.map(column => `${column.name}${isEncoded(reading, column) ? ' (words)' : ''}`).join(', ') ||
    undefined;
  const uneven = unevenTimes(reading);
  const endings = endingsOf(reading);
  const apart = endings ? `, and its last ${endings} characters` : '';
  const elapsed = uneven && !isSeries ? `, time since the step before (${uneven.name} is uneven)` : '';
  const { season, why: whySeason } = isSeries ? seasonOf(reading) : {};
  const isInFile = isSeries && order?.isColumn === false;
  const isOrdered = isSequence(kind) && order?.isColumn;
  const lines: readonly (readonly [label: string, text: string | undefined])[] = [
    ['rows', grouped(target.cells.length)],
    ['forecast', isSeries ? target.name : undefined],
    ['series', isSeries && group ? namedWithin(group) : undefined],
    [
      'target',
      isSeries
        ? undefined
        : `${target.name} (${sort}${kind === 'steps' ? ' at every step' : ''})${unlabelled}`,
    ],
    ['sequences', isSeries ? undefined : sequences],
    [
      'order',
      isInFile
        ? `the rows of the file, by ${names.join(', ')}`
        : isOrdered
          ? namedWithin(order.columns[0], 'time')
          : undefined,
    ],
    ['id', reading.id?.name],
    ['features', read.length > 0 ? `${listed(read)}${apart}${elapsed}` : undefined],
    ['static', listed(reading.statics)],
    [
      'steps',
      regular === undefined || regular.missing === 0
        ? undefined
        : `every ${regular.every}: ${counted(regular.missing, 'step')} without a row ${regular.missing === 1 ? 'is' : 'are'} filled`,
    ],
    ['missing', missingIn(reading)],
    [
      'left out',
      blank === undefined
        ? undefined
        : `${counted(1 + blanks.length, 'row')} without a text, first in ${features[0].nameOf(blank)}`,
    ],
    ['known', known.map(({ name }) => name).join(', ') || undefined],
    ['future', ahead > 0 ? `${counted(ahead, 'row')} after the last ${target.name}` : undefined],
    [
      'season',
      season === undefined ? undefined : `${counted(season, 'step')}${whySeason ? `: ${whySeason}` : ''}`,
    ],
    [
      'splits',
      subject && !subjectProblem(layout, subject)
        ? `the rows of each ${subject.name} are in one split (\`group: ${columnsOf(subject)}\`), so metrics are for a ${subject.parts?.join(' and ') ?? subject.name} that training has not seen${subject.parts ? ' together' : ''}`
        : undefined,
    ],
    ...unused.map(({ name, reason }) => ['not used', `${name}: ${reason}`] as const),
    ...obstaclesOf(reading).map(text => ['note', text] as const),
    ['because', [...why, ...(layout.why === undefined ? [] : [layout.why])].join('; ') || undefined],
  ];
  return lines.flatMap(([label, text]) => (text === undefined ? [] : [labelled(label, text)]));
}

/** What may keep a model from learning, or make its metrics unreliable. */
function obstaclesOf(reading: Reading): string[] {
  const { kind, layout, target, isClass, features, inputKind, statics, subject, future = [] } = reading;
  const { group, obstacle, order, rows, shortest } = layout;
  const found = obstacle === undefined ? [] : [obstacle];
  const words = missingClassesOf(reading).join(', ');
  if (words !== '')
    found.push(
      listsMissing(reading)
        ? `${words} taken as a missing ${target.name}; without it in \`missing.markers\`, it is a class`
        : `${words} taken as a class of ${target.name}: rows without a class have an empty cell`,
    );
  const kinds = MARKERS.filter(marker => isClass && target.isValue(marker) && target.cells.includes(marker));
  if (kinds.length > 0)
    found.push(
      `${kinds.join(', ')} taken as a class of ${target.name}: rows without a class have an empty cell`,
    );
  const mixed = subjectProblem(layout, subject);
  if (mixed) found.push(`${mixed}: without that, no ${subject?.name} would be in two splits`);
  for (const column of statics)
    if (tellsSubjects(layout, column) === 'perhaps' && !(subject && isFactOf(subject, column)))
      found.push(
        `${column.name} is taken as a number: if it says who or what was recorded, \`group: ${column.name}\` in \`test\` and \`validation\` instead keeps it out of two splits`,
      );
  for (const { name, cells, markers } of listsMissing(reading) ? [...features, ...statics, target] : []) {
    const limits = cells.filter(cell => LIMIT.test(cell) && markers.includes(cell));
    if (limits.length > 0)
      found.push(
        `${name} has ${counted(limits.length, 'cell')} such as "${limits[0]}", which are taken as missing: a number in their place, such as the limit, keeps what they say`,
      );
  }
  if (group && isSequence(kind) && kind !== 'series')
    for (const column of features) {
      const contradiction = contradictionsIn(rows, group, column);
      if (contradiction) found.push(`${contradiction}: without that, it would be a static feature`);
    }
  if (isSequence(kind) && layout.repeated)
    found.push(
      `${layout.repeated}: ${layout.isMerged ? '`resample` takes the mean of such rows' : 'rows keep the order of the file'}`,
    );
  if (kind === 'rows' && order?.isDate)
    found.push(
      areScattered(layout)
        ? `${order.columns[0].name} has irregular times, so each row is read alone; \`--as series\` reads all as one series`
        : `${order.columns[0].name} orders the rows, but no column says which belong together, so each is read alone: a column that numbers parts of the time can be --group`,
    );
  const ahead = future.flat();
  for (const column of kind === 'series' && ahead.length > 0 ? features : []) {
    const lacking = withoutValue(column, ahead);
    const isKnown = knownOf(reading).includes(column);
    if (lacking.length > 0 && lacking.length < ahead.length)
      found.push(
        `${column.name} has no value in ${lacking.length} of the ${counted(ahead.length, 'row')} after the last ${target.name}, first in ${column.nameOf(lacking[0])}, ${isKnown ? 'which are filled' : 'so it is not known in advance'}`,
      );
  }
  if (kind === 'series' && lacksTargets(reading))
    found.push(`${target.name} has gaps, so each step of a forecast is predicted alone (\`per_step: true\`)`);
  if (order?.isDate) for (const column of order.columns) found.push(...offsetProblems(column));
  else if (order?.columns.length === 1 && order.columns[0].cells.every(cell => SINCE_1970.test(cell)))
    found.push(
      `${order.columns[0].name} seems to count from 1970: it orders the steps, but only dates (2025-03-01T12:00) have a season and calendar features`,
    );
  const uneven = kind === 'series' && !reading.regular && unevenTimes(reading)?.name;
  if (uneven)
    found.push(
      `${uneven} is uneven: each row is a step, whatever the time since the one before; \`resample\` makes steps at regular times`,
    );
  if (kind === 'series')
    return shortest < FEW_STEPS
      ? [...found, `${shortest} steps are few: a model may be no better than the trivial forecasts`]
      : found;
  if (rows.length < FEW_SEQUENCES)
    found.push(`${counted(rows.length, 'sequence')}: the test split has so few that its metrics are rough`);
  const counts = new Map<string, number>();
  if (isClass && kind !== 'steps')
    for (const list of rows) {
      const label = list.map(row => target.cells[row]).find(target.isValue);
      if (label !== undefined) counts.set(label, (counts.get(label) ?? 0) + 1);
    }
  if (kind === 'steps' && inputKind === 'symbol' && isFactOf(features[0], target))
    found.push(
      `each ${features[0].name} has one ${target.name}, so a list of them is as good as a model, except for those that training does not have`,
    );
  const rare = [...counts].filter(([, count]) => count < RARE).map(([name]) => name);
  if (rare.length > 0)
    found.push(`fewer than ${RARE} sequences have the class ${rare.slice(0, 5).join(', ')}`);
  return found;
}

/** Rows without a word, such as NA may be. */
function emptyIn({ cells }: Column): number[] {
  return [...cells.keys()].filter(row => cells[row] === '');
}

/** A measured value beyond the range of an instrument, such as `<1`. */
const LIMIT = /^[<>≤≥]\s*=?\s*[-+.\d]/;

/** The name of a column, and the columns within which its values start again. */
function namedWithin({ name, parts }: Column, key = 'group'): string {
  if (name === BLOCK) return 'block of lines (`blank_lines`)';
  return parts ? `${name} (\`${key}: ${columnsOf({ name, parts })}\`)` : name;
}

/** Seconds or milliseconds from 2001 to 2033. */
const SINCE_1970 = /^1\d{9}(?:\d{3})?(?:\.\d+)?$/;

/** Times that are read otherwise than their clocks showed them. */
function offsetProblems({ name, cells, isValue }: Column): string[] {
  const times = cells.filter(cell => isValue(cell) && /\d:\d/.test(cell));
  const zoned = times.filter(cell => ZONED.test(cell));
  if (zoned.length === 0) return [];
  const local = times.length - zoned.length;
  const offsets = [...new Set(zoned.map(cell => ZONED.exec(cell)?.[0]))];
  return [
    ...(local > 0
      ? [
          `${local} of ${counted(times.length, 'time')} in ${name} have no offset from UTC and are taken as UTC`,
        ]
      : []),
    ...(offsets.length > 1
      ? [
          `times in ${name} have different offsets from UTC (${offsets.join(', ')}): hours of the day are those of UTC`,
        ]
      : []),
  ];
}

const FEW_STEPS = 200;
const FEW_SEQUENCES = 50;
/** Fewer do not appear in training, validation and test. */
const RARE = 5;

/** Number of words for a missing value that are shown. */
const MAX_SHOWN = 10;

/** How many values of features are missing, and what a config does about it. */
function missingIn(reading: Reading): string | undefined {
  const { kind, features, statics } = reading;
  const numbers = holesOf(reading);
  const words = [...features, ...statics].filter(
    feature => isEncoded(reading, feature) && feature.missing > 0,
  );
  const holes = [...numbers, ...words.map(({ missing }) => missing)];
  const count = holes.reduce((sum, hole) => sum + hole, 0);
  const filled = FILLED[isSequence(kind) ? 'sequence' : 'row'];
  const done = [
    ...(numbers.length > 0 ? [filled] : []),
    ...(words.length > 0 ? [`of ${words.map(({ name }) => name).join(', ')}, a value of its own`] : []),
  ];
  const markers = markersOf(reading);
  const more = markers.length > MAX_SHOWN ? ` and ${markers.length - MAX_SHOWN} more` : '';
  const written = markers.length > 0 ? ` (also ${markers.slice(0, MAX_SHOWN).join(', ')}${more})` : '';
  return count === 0
    ? undefined
    : `${counted(count, 'cell')} in ${counted(holes.length, 'column')}${written}: ${done.join('; ')}`;
}

/** What a config does about missing values. */
export const FILLED = {
  sequence: 'filled with the value of the step before, and a feature says where',
  row: 'filled with the median of the column, and a feature says where',
} as const;

export function labelled(label: string, text: string): string {
  return `${label.padEnd(11)}${text}`;
}

/** A reading that is less likely. */
export interface OtherReading {
  /** The options that choose it. */
  readonly choice: Choice;
  readonly what: string;
}

/** Other readings, the next best one first. */
export function nextBest(readings: readonly Reading[], { group, time }: Choice): OtherReading[] {
  const [chosen] = readings;
  // rows that belong together are rarely read better alone
  const isCut = (reading: Reading) => Number(reading.target === chosen.target && !isSequence(reading.kind));
  const isSame = (candidate: Reading) =>
    candidate.target === chosen.target &&
    (candidate.kind === chosen.kind || [candidate, chosen].every(({ inputKind }) => inputKind === 'text'));
  return readings
    .filter(reading => !isSame(reading) && reading.isPlausible)
    .toSorted((a, b) => isCut(a) - isCut(b))
    .filter(
      (reading, i, all) =>
        i === all.findIndex(other => other.kind === reading.kind || other.target === reading.target),
    )
    .map(({ kind, target, isClass }) => ({
      choice: { group, time, target: target.name, as: kind },
      what: READINGS[kind].noun(target.name, isClass),
    }));
}
