"""`pytest --nbval notebooks`: every cell must run; there are no outputs to compare with, so none are compared."""


def pytest_configure(config):
    config.option.nbval_lax = True
    # The Python of these tests, whatever kernels the user has; unless one is named.
    config.option.nbval_current_env = not config.option.nbval_kernel_name
