/** Columns of a table: what the config says about them, and what reads their cells. */
import type { Diagnostic } from '../../util/errors.js';
import type { CalendarFeature } from './calendar.js';
import type { ConfigDiagnostic } from './problems.js';

/** What the config says about missing values. */
export interface MissingSettings {
  /** Default: `forward`. */
  readonly fill?: 'forward' | 'mean' | 'median' | 'zero' | number;
  readonly indicator?: boolean;
  readonly elapsed?: boolean;
}

export interface EmbeddingSettings {
  readonly size: number;
  /** Occurrences in the training split that a category needs; others are unknown. */
  readonly minCount: number;
}

/** How a column of the data becomes features of the model. */
export interface ColumnSettings {
  /** Absent if the column must not have missing values. */
  readonly missing?: MissingSettings | undefined;
  /** Texts of the numbers that the column has; absent if these are no categories. */
  readonly categories?: readonly string[] | undefined;
  /** How their vectors are learned; absent if each is a feature. */
  readonly embedding?: EmbeddingSettings | undefined;
  /** True if each sequence has one value. */
  readonly isStatic?: boolean;
  /** True for the time since the step before, which is no feature. */
  readonly isTime?: boolean;
  /** The key that names the column. */
  readonly keyPath?: readonly (string | number)[];
}

export interface NamedColumn {
  readonly name: string;
  /** The config key that names it, for training. */
  readonly keyPath?: ConfigDiagnostic['keyPath'];
  /** True if a table may lack it. */
  readonly isOptional?: boolean;
  /** What it is for a model, if that does not read it. */
  readonly role?: string;
  /** The columns that it is made of, such as a date and a time: see {@link joinedText}. */
  readonly parts?: readonly string[] | undefined;
}

/** The column of times that a config names, or that it makes of several. */
export function timeColumn(names: string | readonly string[], ...at: readonly string[]): NamedColumn {
  const all = [names].flat();
  return { name: all.join(' '), keyPath: ['dataset', ...at], parts: all.length > 1 ? all : undefined };
}

const MIDNIGHT = /[T ]00:00(?::00(?:\.0+)?)?$/;

/** A date and a time in cells of their own; empty if one is missing. A date may be at midnight. */
export function joinedText(cells: readonly string[]): string {
  const texts = cells.map((cell, i) =>
    i < cells.length - 1 ? cell.trim().replace(MIDNIGHT, '') : cell.trim(),
  );
  return texts.includes('') ? '' : texts.join(' ');
}

export type Encoding = 'one_hot' | 'embedding' | 'calendar' | 'elapsed';

export interface FeatureColumn extends NamedColumn {
  /** Absent: numbers. */
  readonly encode?: Encoding | undefined;
  readonly calendar?: readonly CalendarFeature[] | undefined;
  /** Number of characters at the end of a category that count; absent: all. */
  readonly suffix?: number | undefined;
  /** True for the first embedded column: its texts are the symbols of steps in predictions. */
  readonly isSymbol?: boolean;
  /** True if a model learns to read values that the training split does not have. */
  readonly learnsUnknown?: boolean;
  /** True if each sequence has one value; such columns follow the others. */
  readonly isStatic?: boolean;
  /** True if cells may be missing, since a fitted value replaces them. */
  readonly isFilled?: boolean;
  /** Texts that mean a missing value, besides the usual ones; absent if all are symbols. */
  readonly markers?: readonly (string | number)[];
  /** True for the cells that mean a missing value. */
  readonly isMissing?: (text: string) => boolean;
}

/** What a program passes in each step: plain data, from which `stepReaders` makes readers. */
export interface StepColumns {
  readonly columns: readonly FeatureColumn[];
  readonly dateFormat?: string | undefined;
}

/** Reads the cells of a column that are not plain numbers. */
export interface CellReader {
  /** Adds the numbers of a cell; returns its problem if it is invalid. */
  read(text: string, add: (value: number) => void): CellProblem | undefined;
}

export type CellProblem = (place: Partial<Diagnostic>) => Diagnostic;

/** Replaces times by the time since the step before, of one sequence at a time. */
export interface Elapsed {
  /** The next step is the first of a sequence. */
  restart(): void;
  /** @param at start of the step in `values` */
  step(values: Float64Array, at: number): void;
}

/** Readers of the values of a step, which are those of columns. */
export interface ValueReaders {
  /** Without a reader, the values of the column are plain numbers. */
  readonly columns: readonly {
    readonly name: string;
    readonly parts?: readonly string[] | undefined;
    /** True if each sequence has one value. */
    readonly isStatic?: boolean;
    readonly reader?: CellReader | undefined;
    /**
     * Whether a text means a missing value; absent if only the empty text does. The plain numbers
     * of such a column are read like cells of a table, also from texts.
     */
    readonly isMissing?: ((text: string) => boolean) | undefined;
  }[];
  /** Absent if no column is a time since the step before. */
  elapsed?(): Elapsed;
}
