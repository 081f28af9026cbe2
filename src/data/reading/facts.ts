/** What is known of files without reading them: their usual names, and rates of recordings. */

/** The formats of tables, which are kinds of data, with the usual endings of their files. */
const TABLE_ENDINGS = { csv: ['csv', 'tsv', 'psv'], parquet: ['parquet'], conllu: ['conllu'], ts: ['ts'] };

export type TableFormatName = keyof typeof TABLE_ENDINGS;

export const TABLE_FORMATS = Object.keys(TABLE_ENDINGS) as TableFormatName[];

/** Returns `value` for each format of tables. */
export function ofTableFormats<T>(value: T): Readonly<Record<TableFormatName, T>> {
  return { csv: value, parquet: value, conllu: value, ts: value };
}

/** The format of a table by its name; undefined for other endings, which are read as CSV. */
export function tableFormatOf(name: string): TableFormatName | undefined {
  const ending = /\.(\w+)(?:\.gz)?$/.exec(name)?.[1].toLowerCase() ?? '';
  return TABLE_FORMATS.find(format => TABLE_ENDINGS[format].includes(ending));
}

/** The names of tables. */
export const TABLE_NAME = namesOf(Object.values(TABLE_ENDINGS).flat());

const RECORDS_ENDINGS = ['jsonl', 'ndjson'];

/** Names of files of records. */
export const RECORDS_NAME = namesOf(RECORDS_ENDINGS);

/** Names of tables that list recordings. */
export const LIST_NAME = namesOf([...TABLE_ENDINGS.csv, ...TABLE_ENDINGS.parquet, ...RECORDS_ENDINGS]);

/** How WAV files are usually named. */
export const RECORDING_NAME = /\.wave?(?:\.gz)?$/i;

/** How recordings are usually named, in WAV files or others. */
export const AUDIO_NAME = /\.(?:wave?|flac|mp3|og[ga]|opus|m4a|aac|aif[fc]?|au|wma|webm)(?:\.gz)?$/i;

/** In hertz. Other rates mean a damaged header. */
export const MIN_RATE = 100;
export const MAX_RATE = 2 ** 20;

/** For kinds of data whose files have any name. */
export const ANY_NAME = /(?:)/;

/** Files with these endings, raw or gzip. */
function namesOf(endings: readonly string[]): RegExp {
  return new RegExp(`\\.(?:${endings.join('|')})(?:\\.gz)?$`, 'i');
}
