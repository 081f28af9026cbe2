/** What is known of files without reading them: their usual names, and rates of recordings. */

/** The names of tables; those with other endings are read as CSV if they are given. */
export const TABLE_NAME = /\.(?:[ctp]sv|parquet|conllu|ts)(?:\.gz)?$/i;

/** Names of files of records. */
export const RECORDS_NAME = /\.(?:jsonl|ndjson)(?:\.gz)?$/i;

/** Names of tables that list recordings. */
export const LIST_NAME = /\.(?:[ctp]sv|parquet|jsonl|ndjson)(?:\.gz)?$/i;

/** How WAV files are usually named. */
export const RECORDING_NAME = /\.wave?(?:\.gz)?$/i;

/** How recordings are usually named, in WAV files or others. */
export const AUDIO_NAME = /\.(?:wave?|flac|mp3|og[ga]|opus|m4a|aac|aif[fc]?|au|wma|webm)(?:\.gz)?$/i;

/** In hertz. Other rates mean a damaged header. */
export const MIN_RATE = 100;
export const MAX_RATE = 2 ** 20;

/** For kinds of data whose files have any name. */
export const ANY_NAME = /(?:)/;
