export default { title: 'cellrun', themeConfig: { search: { provider: 'local' } } };
