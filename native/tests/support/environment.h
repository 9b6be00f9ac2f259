// Environment variables, which each system sets in its own way.
#pragma once

#include <cstdlib>
#include <string>

/// Sets a variable, or removes it (NULL), and puts back what was there when this ends.
class Environment {
public:
    explicit Environment(const char *name) : name(name)
    {
        const char *value = getenv(name);
        had = value != nullptr;
        if (had) kept = value;
    }
    ~Environment() { set(had ? kept.c_str() : nullptr); }
    void set(const char *value)
    {
#ifdef _WIN32
        _putenv_s(name, value ? value : ""); // an empty value removes it
#else
        if (value) setenv(name, value, 1);
        else unsetenv(name);
#endif
    }

private:
    const char *name;
    bool had;
    std::string kept;
};
