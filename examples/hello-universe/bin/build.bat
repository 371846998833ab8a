@echo off
rem Adds one layer with a greeting, and a process that prints it.
setlocal

set "greeting=Hello universe, from %CNB_TARGET_OS%/%CNB_TARGET_ARCH%"
echo ---^> %greeting%

set "layer=%CNB_LAYERS_DIR%\greeting"
mkdir "%layer%" || exit /b 1
>"%layer%\greeting.txt" echo %greeting%
>"%layer%.toml" echo [types]
>>"%layer%.toml" echo launch = true

rem Single quotes: in TOML they leave the backslashes of a path alone.
set "launch=%CNB_LAYERS_DIR%\launch.toml"
>"%launch%" echo [[processes]]
>>"%launch%" echo type = "hello"
>>"%launch%" echo command = ["cmd", "/c", "type", '%layer%\greeting.txt']
>>"%launch%" echo default = true
