/** The static site of these pages (`npm run docs`); the pages are plain Markdown without it. */

const guide = [
  ['First run', 'start'],
  ['Your own data', 'data'],
  ['Choosing a model', 'models'],
  ['Sequences to sequences', 'sequences'],
  ['Voice', 'voice'],
  ['Training and learning rates', 'training'],
  ['Validation and gates', 'validation'],
  ['Sweeps', 'sweeps'],
  ['Comparing runs', 'compare'],
  ['CI', 'ci'],
  ['Resuming', 'resuming'],
  ['Dashboard and reports', 'dashboard'],
  ['Predictions', 'predictions'],
  ['Use the model elsewhere', 'elsewhere'],
  ['Library', 'library'],
  ['Performance', 'performance'],
  ['Reproducibility', 'reproducibility'],
];

const reference = [
  ['Config', 'config'],
  ['Sweep file', 'sweep-file'],
  ['Command line', 'command-line'],
  ['Exit codes', 'exit-codes'],
  ['Metrics', 'metrics'],
  ['Losses, optimizers, schedules', 'training'],
  ['Data formats and splits', 'data'],
  ['Predictions', 'predictions'],
  ['Events', 'events'],
  ['Files of a run', 'run-files'],
  ['Files of a sweep', 'sweep-files'],
  ['Files of reviews', 'review-files'],
];

const internals = [
  ['How it works', 'overview'],
  ['Runs, sweeps and reports', 'runs'],
  ['Invariants', 'invariants'],
  ['Measurements', 'measurements'],
];

const section = (text, folder, pages) => ({
  text,
  items: pages.map(([name, page]) => ({ text: name, link: `/${folder}/${page}` })),
});

/** Headings have the same address as on GitHub. */
function slugify(heading) {
  return heading
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}_\- ]/gu, '')
    .replaceAll(' ', '-');
}

/** Fixes the theme's contrast (WCAG AA) and the accessible name of its search button. */
const STYLE = `
html:root { --vp-c-text-3: #5c5c63; }
html.dark:root { --vp-c-text-3: #a0a0a8; }
.DocSearch-Button-Keys { display: none !important; }
`;

export default {
  head: [
    ['style', {}, STYLE],
    ['link', { rel: 'icon', href: 'data:,' }],
  ],
  title: 'cellrun',
  description: 'A declarative experiment runner for recurrent networks.',
  lang: 'en',
  cleanUrls: false,
  lastUpdated: false,
  // links to files of the repository, which are no pages of the site
  ignoreDeadLinks: [/^(\.\/)?(\.\.\/)+(src|schemas|configs|experiments|test|CONTRIBUTING|CHANGELOG|README|LICENSE)/],
  // light GitHub comments are too pale to read (WCAG AA)
  markdown: { anchor: { slugify }, theme: { light: 'github-light-high-contrast', dark: 'github-dark-high-contrast' } },
  themeConfig: {
    nav: [
      { text: 'Guide', link: '/guide/start' },
      { text: 'Reference', link: '/reference/config' },
      { text: 'Internals', link: '/internals/overview' },
    ],
    sidebar: [
      section('Guide', 'guide', guide),
      section('Reference', 'reference', reference),
      section('Internals', 'internals', internals),
    ],
    outline: [2, 3],
    search: { provider: 'local' },
  },
};
