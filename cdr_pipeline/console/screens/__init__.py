"""One module a screen: routes that read steps and render a template."""
