/** Reports: documents built from the files of runs and sweeps, and the page that shows them. */
export { buildReport } from './build.js';
export type { Report } from './document.js';
export { GENERATOR, readPageAssets, renderPage } from './html.js';
